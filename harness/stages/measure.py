"""Measure one fused stack tile by tile: `python -m harness.stages.measure --help`."""

import argparse
import csv
import math
from io import StringIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness import cli
from harness.cli import add_asked, add_threads
from harness.disk.files import release_pages, write_text
from harness.disk.records import Claim, Record, read_record
from harness.errors import HarnessError
from harness.stages import identity
from harness.terminal import progress
from harness.tiles.store import TileStore, read_fused
from metrics.errors import MetricError
from metrics.scoring import score

TILES_PER_CALL = 32
"""Number of tiles that are measured in one call, which bounds the memory."""

Scores = dict[str, list[float]]
"""Metric → one value per tile; NaN where the metric is undefined."""


def main() -> None:
    """Measure one fused stack; write the table, one row per tile, and its record."""
    arguments = _parser().parse_args()
    run = arguments.dataset, arguments.method, arguments.seed
    path = arguments.output.with_name("scores.json")
    claim = Claim(path, arguments.asked, lambda: identity.measure(*run, arguments.metrics))
    record = Record("measure", {"metrics": arguments.metrics}, claim=claim)
    fused_record = read_record(arguments.fused.with_name("fused.json"))
    fused = read_fused(arguments.fused, fused_record)
    if fused_record["status"] == "failed":
        record.fail(fused_record["reason"])
    store = TileStore(arguments.tiles)
    tiles = [] if record.status == "failed" else store.names("test")
    expected = (len(tiles), *store.test.tiles.shape[2:])
    if fused.shape != expected:
        raise HarnessError(
            f"{arguments.fused}: shape {fused.shape}, expected {expected}; delete it and rerun"
        )
    try:
        scores = _measure(store, fused, arguments.metrics, arguments.threads)
    except MetricError as error:
        raise HarnessError(
            f"{arguments.fused}: {error}; leave the metric out or change the tiling"
        ) from error
    write_text(arguments.output, _table(run, tiles, scores))
    undefined = {name: sum(map(math.isnan, values)) for name, values in scores.items()}
    record.details = {"undefined": undefined}
    record.write(path, [arguments.output])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--tiles", type=Path, required=True, help="folder of the tile store")
    parser.add_argument("--fused", type=Path, required=True, help="path of fused.npy")
    parser.add_argument("--dataset", required=True, help="data set, for the table")
    parser.add_argument("--method", required=True, help="row, for the table")
    parser.add_argument("--seed", type=int, required=True, help="seed, for the table")
    parser.add_argument("--metrics", nargs="+", required=True, help="names of the metrics")
    add_threads(parser)
    add_asked(parser)
    parser.add_argument("--output", type=Path, required=True, help="path of scores.csv to write")
    return parser


def _measure(store: TileStore, fused: NDArray[np.uint8], names: list[str], threads: int) -> Scores:
    """Return the metrics `names` of every fused tile (N, H, W)."""
    pairs = store.test
    scores: Scores = {name: [] for name in names}
    for start in progress(range(0, len(fused), TILES_PER_CALL), "measuring"):
        part = slice(start, start + TILES_PER_CALL)
        images = (np.asarray(fused[part]), pairs.infrared(part), pairs.visible(part))
        measured = score(*images, names=names, threads=threads)
        for name in names:
            scores[name] += measured[name].tolist()
        release_pages(pairs.tiles, fused)
    return scores


def _table(run: tuple[str, str, int], tiles: list[str], scores: Scores) -> str:
    """Return the CSV text; the cell of an undefined value is empty."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["dataset", "method", "seed", "tile", *scores])
    for tile, *values in zip(tiles, *scores.values(), strict=True):
        writer.writerow([*run, tile, *("" if math.isnan(value) else value for value in values)])
    return text.getvalue()


if __name__ == "__main__":
    cli.run(main)
