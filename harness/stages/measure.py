"""Measure one fused stack tile by tile: `python -m harness.stages.measure --help`."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import metrics
from harness.cli import add_threads, run
from harness.disk.files import release_pages, write_text
from harness.disk.records import Record, read_record
from harness.errors import HarnessError
from harness.terminal import progress
from harness.tiles.store import Pairs, TileStore, read_fused
from metrics.registry import PAPER

CHUNK = 32


def main() -> None:
    """Measure one fused stack; write a row a tile, a column a metric, and the record."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--tiles", type=Path, required=True, help="folder of the tile store")
    parser.add_argument("--fused", type=Path, required=True, help="fused.npy")
    parser.add_argument("--dataset", required=True, help="goes into the table")
    parser.add_argument("--method", required=True, help="goes into the table")
    parser.add_argument("--seed", type=int, required=True, help="goes into the table")
    parser.add_argument("--metrics", nargs="+", default=list(PAPER), help="default the paper's")
    add_threads(parser)
    parser.add_argument("--output", type=Path, required=True, help="scores.csv to write")
    arguments = parser.parse_args()
    record = Record("measure", {"metrics": arguments.metrics})
    fused_record = read_record(arguments.fused.with_name("fused.json"))
    fused = read_fused(arguments.fused, fused_record)
    if fused_record["status"] == "failed":
        record.fail(fused_record["reason"])
    table = _measure(arguments, fused, failed=record.status == "failed")
    write_text(arguments.output, table.to_csv(index=False, lineterminator="\n"))
    undefined = {name: int(table[name].isna().sum()) for name in arguments.metrics}
    record.details = {"undefined": undefined}
    record.write(arguments.output.with_name("scores.json"), [arguments.output])


def _measure(arguments: Any, fused: NDArray[np.uint8], *, failed: bool) -> pd.DataFrame:
    store = TileStore(arguments.tiles)
    names = [] if failed else store.names("test")
    pairs = store.test
    expected = (len(names), *pairs.tiles.shape[2:])
    if fused.shape != expected:
        raise HarnessError(
            f"{arguments.fused}: shape {fused.shape}, expected {expected}; delete it and rerun"
        )
    parts = []
    for start in progress(range(0, len(names), CHUNK), "measuring"):
        part = slice(start, start + CHUNK)
        parts.append(pd.DataFrame(_scores(arguments, fused[part], pairs, part)))
        release_pages(pairs.tiles, fused)
    columns = (
        pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=arguments.metrics)
    )
    columns.insert(0, "dataset", arguments.dataset)
    columns.insert(1, "method", arguments.method)
    columns.insert(2, "seed", arguments.seed)
    columns.insert(3, "tile", names)
    return columns


def _scores(arguments: Any, fused: NDArray[np.uint8], pairs: Pairs, part: slice) -> Any:
    try:
        return metrics.score(
            np.asarray(fused),
            pairs.infrared(part),
            pairs.visible(part),
            names=arguments.metrics,
            threads=arguments.threads,
        )
    except metrics.MetricError as error:
        raise HarnessError(
            f"{arguments.fused}: {error}; leave the metric out or change the tiling"
        ) from error


if __name__ == "__main__":
    run(main)
