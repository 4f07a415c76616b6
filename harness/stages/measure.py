"""Measure the fused stacks of one run tile by tile: `python -m harness.stages.measure --help`."""

import argparse
import csv
import math
from collections.abc import Mapping
from io import StringIO
from pathlib import Path

import numpy as np

from harness import cli
from harness.cli import add_asked, add_threads
from harness.disk.files import release_pages, write_text
from harness.disk.records import Claim, Record, read_record
from harness.errors import HarnessError
from harness.methods.rows import Row
from harness.stages import identity
from harness.stages.common import add_colour, add_stretches, stacks_of
from harness.terminal import progress
from harness.tiles.array_file import Images
from harness.tiles.store import TileStore, read_fused
from metrics.colour import score_channels
from metrics.dialects import DIALECTS
from metrics.errors import MetricError
from metrics.scoring import score_methods
from metrics.texts import csv_cell

TILES_PER_CALL = 32
"""Number of tiles that are measured in one call, which bounds the memory."""

Scores = dict[str, list[float]]
"""Metric → one value per tile; NaN where the metric is undefined."""


def main() -> None:
    """Measure the fused stacks of one run; write a table per stack, a row per tile, and records."""
    arguments = _parser().parse_args()
    store, names = TileStore(arguments.tiles), arguments.metrics
    fused, tables = stacks_of(arguments, "fused"), stacks_of(arguments)
    claimed = {stretch: _record(arguments, stretch, tables[stretch]) for stretch in tables}
    stacks = {
        stretch: _stack(store, fused[stretch], record) for stretch, (_, record) in claimed.items()
    }
    try:
        scores = _measure(store, stacks, names, arguments)
    except MetricError as error:
        raise HarnessError(
            f"{arguments.fused}: {error}; leave the metric out or change the tiling"
        ) from error
    for stretch, (row, record) in claimed.items():
        run = arguments.dataset, row, arguments.seed
        tiles = store.names("test")[: len(stacks[stretch])]
        write_text(tables[stretch], _table(run, tiles, scores[stretch]))
        undefined = {k: sum(map(math.isnan, values)) for k, values in scores[stretch].items()}
        record.details = {"undefined": undefined}
        record.write(tables[stretch].with_name("scores.json"), [tables[stretch]])


def _record(arguments: argparse.Namespace, stretch: str, table: Path) -> tuple[str, Record]:
    """Return the name of the row with a stretch, and begin the record of its table."""
    row = Row.parse(arguments.method).stretched(stretch).name
    rule = {"dialect": arguments.dialect, "colour": arguments.colour}
    request = arguments.dataset, row, arguments.seed, arguments.metrics, rule
    claim = Claim(
        table.with_name("scores.json"), arguments.asked, lambda: identity.measure(*request)
    )
    return row, Record("measure", {"metrics": arguments.metrics, **rule}, claim=claim)


def _stack(store: TileStore, path: Path, record: Record) -> Images:
    """Map a fused stack; that of a failed run is empty, and fails the record as well."""
    fused_record = read_record(path.with_name("fused.json"))
    if fused_record["status"] == "failed":
        record.fail(fused_record["reason"])
    return read_fused(path, fused_record, [] if record.status == "failed" else store.test.sizes)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--tiles", type=Path, required=True, help="folder of the tile store")
    parser.add_argument(
        "--fused", type=Path, required=True, help="path of fused.npy for the first stretch"
    )
    parser.add_argument("--dataset", required=True, help="data set, for the table")
    parser.add_argument("--method", required=True, help="row without a stretch, for the table")
    parser.add_argument("--seed", type=int, required=True, help="seed, for the table")
    parser.add_argument("--metrics", nargs="+", required=True, help="names of the metrics")
    parser.add_argument("--dialect", choices=list(DIALECTS), help="evaluator to reproduce")
    add_colour(parser)
    add_threads(parser)
    add_asked(parser)
    add_stretches(parser, "scores.csv to write")
    return parser


def _measure(
    store: TileStore, stacks: Mapping[str, Images], names: list[str], given: argparse.Namespace
) -> dict[str, Scores]:
    """Return the metrics `names` of every fused tile of each stack, which may be empty."""
    pairs = store.test
    scores: dict[str, Scores] = {stretch: {name: [] for name in names} for stretch in stacks}
    whole = {stretch: stack for stretch, stack in stacks.items() if len(stack)}
    for part in progress(pairs.parts(TILES_PER_CALL) if whole else [], "measuring"):
        fused = {stretch: stack.part(part) for stretch, stack in whole.items()}
        how = {"names": names, "threads": given.threads, "dialect": given.dialect}
        if given.colour == "per_channel":
            near = np.repeat(pairs.infrared(part)[:, None], 3, axis=1)
            measured = score_channels(fused, near, pairs.rgb(part), **how)
        else:
            measured = score_methods(fused, pairs.infrared(part), pairs.visible(part), **how)
        for stretch, columns in measured.items():
            for name in names:
                scores[stretch][name] += columns[name].tolist()
        release_pages(pairs.tiles, *(stack.array for stack in whole.values()))
    return scores


def _table(run: tuple[str, str, int], tiles: list[str], scores: Scores) -> str:
    """Return the CSV text; the cell of an undefined value is empty."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["dataset", "method", "seed", "tile", *scores])
    for tile, *values in zip(tiles, *scores.values(), strict=True):
        writer.writerow(
            [*run, csv_cell(tile), *("" if math.isnan(value) else value for value in values)]
        )
    return text.getvalue()


if __name__ == "__main__":
    cli.run(main)
