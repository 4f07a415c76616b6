"""Building Tables 1-5: our means beside the paper's printed values."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from harness.benchmark import Row
from harness.schema import read_yaml
from metrics import METRICS
from reports.outline import DatasetOutline, Outline
from reports.scores import Run

PAPER = Path(__file__).parent / "paper"


@dataclass(frozen=True)
class Cell:
    """One method under one metric.

    ours: mean over tiles, then over seeds; NaN if there is none. printed: the paper's value
    as printed, "" if the paper has none. rank: 1 best, 2 second best, 0 neither.
    undefined: tiles on which the metric has no value.
    """

    ours: float
    printed: str
    undefined: int = 0
    rank: int = 0


@dataclass(frozen=True)
class TableRow:
    """One line: a method's cells in the order of the metrics."""

    name: str
    title: str
    stretch: str
    control: bool
    cells: tuple[Cell, ...]
    failure: str = ""
    missing: bool = False
    seeds: int = 1
    notes: str = ""


@dataclass(frozen=True)
class Table:
    """One of the paper's tables on one data set."""

    number: int
    caption: str
    dataset: str
    metrics: tuple[str, ...]
    rows: tuple[TableRow, ...]
    paper: bool

    @property
    def identifier(self) -> str:
        """Name of the table's files."""
        return f"table{self.number}_{self.dataset}"


def printed_values() -> pd.DataFrame:
    """The paper's values as printed: table, method, metric, printed (text)."""
    return pd.read_csv(PAPER / "printed.csv", dtype={"printed": str})


def build_tables(outline: Outline, runs: dict[str, list[Run]]) -> list[Table]:
    """Build every table that the run has a data set for, in the paper's order."""
    tables = []
    for definition in read_yaml(PAPER / "tables.yaml"):
        for dataset in outline.datasets:
            if applies(definition, dataset):
                tables.append(_build(outline, dataset, definition, runs[dataset.name]))
    return tables


def applies(definition: dict[str, Any], dataset: DatasetOutline) -> bool:
    """Comparisons need the data set they are about; ablations any set that ran one."""
    if "rows" not in definition:
        return bool(dataset.stands_for == definition["stands_for"])
    ablations = {method for _, method in definition["rows"]} - {"segfanet"}
    return bool(ablations & set(dataset.rows))


def _build(
    outline: Outline, dataset: DatasetOutline, definition: dict[str, Any], runs: list[Run]
) -> Table:
    number, paper = definition["number"], dataset.stands_for == definition["stands_for"]
    values = printed_values()
    printed = {
        (row.method, row.metric): row.printed
        for row in values[values["table"] == number].itertuples()
        if paper
    }
    builder = _Rows(outline, runs, printed)
    if "rows" in definition:
        rows = [builder.row(method, title=label) for label, method in definition["rows"]]
    else:
        rows = builder.comparison(dataset)
    return Table(
        number,
        definition["caption"],
        dataset.name,
        outline.metrics,
        mark_best(rows, outline.metrics),
        paper,
    )


class _Rows:
    """Makes table rows from the runs of one data set."""

    def __init__(
        self, outline: Outline, runs: list[Run], printed: dict[tuple[str, str], str]
    ) -> None:
        self.outline, self.printed = outline, printed
        self.runs: dict[str, list[Run]] = {}
        for run in runs:
            self.runs.setdefault(run.row, []).append(run)

    def comparison(self, dataset: DatasetOutline) -> list[TableRow]:
        """Rows of Tables 1 and 2: the printed methods first, then ours, controls last."""
        absent = [m for m in dict.fromkeys(m for m, _ in self.printed) if m not in dataset.rows]
        rows = [
            self.row(name) for name in dataset.rows if self.outline.method(name).kind != "ablation"
        ]
        rows += [self.row(method) for method in absent]
        order = {"baseline": 0, "proposed": 1, "control": 2}
        return sorted(rows, key=lambda row: order[self._kind(row.name)])

    def _kind(self, name: str) -> str:
        known = Row.parse(name).method in self.outline.methods
        return self.outline.method(name).kind if known else "baseline"

    def row(self, name: str, title: str = "") -> TableRow:
        """One row; a method that was not run keeps its printed values and says so."""
        method, runs = Row.parse(name), self.runs.get(name, [])
        cells = tuple(self._cell(runs, method.method, metric) for metric in self.outline.metrics)
        if not runs:
            return TableRow(
                name, title or PRINTED_TITLES.get(name, name), "none", False, cells, missing=True
            )
        outline = self.outline.method(name)
        failures = [run.failure for run in runs if run.failure]
        return TableRow(
            name,
            title or outline.title,
            method.stretch,
            outline.kind == "control",
            cells,
            failure=failures[0] if failures else "",
            seeds=len(runs),
            notes=outline.notes,
        )

    def _cell(self, runs: list[Run], method: str, metric: str) -> Cell:
        printed = self.printed.get((method, metric), "")
        if not runs or any(run.failure for run in runs):
            return Cell(math.nan, printed)
        means = [float(run.scores[metric].mean()) for run in runs]
        undefined = sum(int(run.scores[metric].isna().sum()) for run in runs)
        return Cell(sum(means) / len(means), printed, undefined)


PRINTED_TITLES = {
    "ydtr": "YDTR",
    "tardal": "TarDAL",
    "umfusion": "UMFusion",
    "itfuse": "ITFuse",
    "limfusion": "LiMFusion",
    "segfanet": "SegFANet",
}


def mark_best(rows: Iterable[TableRow], metrics: tuple[str, ...]) -> tuple[TableRow, ...]:
    """Mark best and second best of every metric among the rows that are no controls."""
    rows = list(rows)
    columns = [_ranks(rows, column, metric) for column, metric in enumerate(metrics)]
    return tuple(
        replace(
            row,
            cells=tuple(
                replace(cell, rank=ranks[i]) for cell, ranks in zip(row.cells, columns, strict=True)
            ),
        )
        for i, row in enumerate(rows)
    )


def _ranks(rows: list[TableRow], column: int, metric: str) -> list[int]:
    values = [math.nan if row.control else row.cells[column].ours for row in rows]
    best_first = sorted(
        {value for value in values if not math.isnan(value)},
        reverse=METRICS[metric].larger_is_better,
    )
    places = {value: place for place, value in enumerate(best_first[:2], 1)}
    return [places.get(value, 0) for value in values]


def heading(metric: str) -> str:
    """Column heading with the arrow of the metric's better direction."""
    return f"{metric.upper()} {'↑' if METRICS[metric].larger_is_better else '↓'}"
