"""Made-up results of runs, for tests of the report."""

import json

import numpy as np
import pandas as pd

from harness.disk.records import Record
from harness.scenes.scene import Dataset, Scene
from harness.tiles.cutting import Tiling, write_store
from harness.tiles.store import TileStore
from reports.plan import read_plan

METRICS = ["sf", "ag", "scd", "vif"]
TILES = 4
SIDE = 48


def method(name, kind="baseline", title=None, seeds=(0,), notes=""):
    """Return one method as `reports.plan.plan_of` lists it."""
    return {
        "name": name,
        "title": title or name.upper(),
        "kind": kind,
        "seeds": list(seeds),
        "notes": notes,
    }


def make_store(folder, name="whu_like", scenes=TILES, classes=("a", "b"), prefix="s"):
    """Write a tile store of scenes that have one tile of noise each."""

    def read(y, x, height, width):
        pixels = np.random.default_rng(y).integers(0, 2, (5, height, width), dtype=np.uint8)
        if not classes:
            pixels[4] = 255
        return pixels

    made = tuple(Scene(f"{prefix}{i}", "test", SIDE, SIDE, read) for i in range(scenes))
    palette = tuple((9 * i, 0, 0) for i in range(len(classes)))
    write_store(Dataset(name, made, tuple(classes), palette), Tiling(SIDE, SIDE), folder)


def make_run(folder, row, values=None, failure="", seed=0, details=None):
    """Write the files of the stages fuse and measure; `values` has the shape (tiles, metrics)."""
    names = [] if failure else TileStore(folder / "tiles").names("test")
    folder = folder / row / f"seed{seed}"
    folder.mkdir(parents=True)
    count = len(names)
    rng = np.random.default_rng([seed, *row.encode()])
    np.save(folder / "fused.npy", rng.integers(0, 255, (count, SIDE, SIDE), dtype=np.uint8))
    table = pd.DataFrame(values if values is not None else np.ones((count, 4)), columns=METRICS)
    table = table.iloc[:count]
    for place, (key, value) in enumerate(
        [("dataset", "d"), ("method", row), ("seed", seed), ("tile", names)]
    ):
        table.insert(place, key, value)
    table.to_csv(folder / "scores.csv", index=False)
    for stage, record_file, artefact in (
        ("fuse", "fused.json", "fused.npy"),
        ("measure", "scores.json", "scores.csv"),
    ):
        record = Record(stage, {"method": row}, details=dict(details or {}))
        if failure:
            record.fail(failure)
        record.write(folder / record_file, [folder / artefact])


def make_learning(folder, row, loss=0.2, average=0.2, seed=0, failure="", **learned):
    """Write what the stage `learning` leaves of a run; `learned` are keys of `learned.json`."""
    tiles = TileStore(folder / "tiles").names("test")
    folder = folder / row / f"seed{seed}"
    table = pd.DataFrame({"tile": tiles, "fusion_loss": loss, "average_loss": average})
    table.to_csv(folder / "held_out.csv", index=False)
    value = {"finite": True, "response": 0.9, "terms": {}, "log": [], **learned}
    (folder / "learned.json").write_text(json.dumps(value))
    record = Record("learning", {"method": row})
    if failure:
        record.fail(failure)
    record.write(folder / "learning.json", [folder / "held_out.csv", folder / "learned.json"])


def plan(folder, methods, rows, **changes):
    """Return the plan of one data set `d` that stands for WHU-OPT-SAR."""
    value = {
        "title": "Report",
        "demonstration": False,
        "metrics": METRICS,
        "methods": methods,
        "datasets": [{"name": "d", "rows": rows, "stands_for": "whu"}],
        **changes,
    }
    return read_plan(json.dumps(value), folder)
