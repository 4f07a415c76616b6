"""How long the report takes for a large run: `python -m benchmarks.report`.

Makes up per-image tables and fused stacks, as sparse files that cost no disk space. Then times
what `make report` does without Snakemake: it reads all tables and makes statistics, figures and
the page.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from harness.disk.files import write_json
from harness.disk.records import Record, peak_memory_mib
from harness.tiles.store import TileRow, write_manifest
from reports.formats import to_csv, to_latex, to_markdown
from reports.page import render
from reports.run import read_report
from tests.helpers.made_up_runs import METRICS, method, plan

METHODS = ["segfanet", "ydtr", "tardal", "umfusion", "itfuse", "limfusion"]
CONTROLS = ["average", "visible", "infrared", "laplacian_pyramid", "loss_optimum", "maximum"]
SIDE, SCENES = 320, 20
LIMIT = 30


def sparse(path, shape):
    """Create a .npy file of zeros without writing its pixels."""
    np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape).flush()


def make_store(folder, tiles):
    """Write a tile store whose images are noise in about 30 tiles and black elsewhere."""
    folder.mkdir(parents=True)
    sparse(folder / "test.npy", (tiles, 5, SIDE, SIDE))
    pixels = np.load(folder / "test.npy", mmap_mode="r+")
    pixels[:: max(tiles // 30, 1)] = np.random.default_rng(0).integers(
        0, 255, (5, SIDE, SIDE), np.uint8
    )
    write_manifest(
        folder / "manifest.csv",
        [
            TileRow("test", i, f"t{i}", f"s{i % SCENES}", 0, i, 0, 0, SIDE, SIDE, 5 * i * SIDE**2)
            for i in range(tiles)
        ],
    )
    meta = {
        "title": "made up",
        "classes": [],
        "tiles": {"train": 0, "test": tiles},
        "tiling": {
            "stride": SIDE,
            "sizes": {"test": f"{SIDE}×{SIDE}"},
            "coverage": {"test": {"covered": 1.0, "more_than_once": 0.0}},
        },
    }
    write_json(folder / "dataset.json", meta)


def make_run(folder, row, seed, tiles):
    """Write what the stages fuse and measure leave behind."""
    folder.mkdir(parents=True)
    sparse(folder / "fused.npy", (tiles, SIDE, SIDE))
    values = np.random.default_rng([seed, *row.encode()]).normal(5, 1, (tiles, len(METRICS)))
    labels = {"dataset": "d", "method": row, "seed": seed, "tile": [f"t{i}" for i in range(tiles)]}
    table = pd.DataFrame({**labels, **dict(zip(METRICS, values.clip(0.1).T, strict=True))})
    table["scd"] = table["scd"] / 10
    table.to_csv(folder / "scores.csv", index=False)
    Record("measure", {}).write(folder / "scores.json", [folder / "scores.csv"])
    Record("fuse", {}).write(folder / "fused.json", [folder / "fused.npy"])


def made_up_plan(folder, seeds):
    """Return the plan of the made-up run."""
    methods = [method(name, seeds=seeds) for name in METHODS if name != "segfanet"]
    methods += [method(name, "control", seeds=seeds) for name in CONTROLS]
    methods.append(method("segfanet", "proposed", seeds=seeds))
    return plan(folder, methods, [*METHODS, *CONTROLS])


def main():
    """Make up the run, time the report, print seconds, size and memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiles", type=int, default=7000)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_store(folder / "d" / "tiles", arguments.tiles)
        seeds = list(range(arguments.seeds))
        for row in [*METHODS, *CONTROLS]:
            for seed in seeds:
                make_run(folder / "d" / row / f"seed{seed}", row, seed, arguments.tiles)
        start = time.perf_counter()
        report = read_report(made_up_plan(folder, seeds))
        tables = report.tables
        statistics = time.perf_counter() - start
        for table in tables:
            for write in (to_csv, to_latex, to_markdown):
                write(table)
        page = render(report, folder / "report")
        seconds = time.perf_counter() - start
    print(
        f"{len(METHODS) + len(CONTROLS)} methods, {arguments.tiles} tiles, {len(seeds)} seeds: "
        f"tables and statistics {statistics:.1f} s, all {seconds:.1f} s (limit {LIMIT} s), "
        f"page {len(page.encode()) / 1e6:.1f} MB, peak {peak_memory_mib():.0f} MiB"
    )


if __name__ == "__main__":
    main()
