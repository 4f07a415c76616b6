"""The tables: our means and intervals beside the paper's printed values."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.methods.rows import Row
from metrics import METRICS
from reports.analysis import REFERENCE, Analysis
from reports.claims import Claim, build_claims
from reports.plan import PlannedDataset, ReportPlan
from reports.printed import TITLES, printed_table, table_definitions
from reports.scores import Run
from reports.statistics import UNKNOWN, Comparison, Interval, kendall_tau
from reports.verdicts import cell_verdict, relative_difference

ORIGINS = {
    "retrained": "weights trained here",
    "user": "weights given by the user, not known to be its authors'",
}
"""What footnotes say about weights that are not the authors' file."""


@dataclass(frozen=True)
class Cell:
    """One method under one metric.

    ours: mean over tiles, then over seeds; NaN if there is none.
    printed: the paper's value as it is printed; "" if the paper has none.
    undefined: number of tiles on which the metric has no value.
    rank: 1 for the best, 2 for the second best, 0 for others.
    spread: standard deviation over seeds; NaN with one seed.
    difference: (ours − printed) / |printed|.
    test: comparison with SegFANet; None if there is none.
    """

    ours: float
    printed: str
    undefined: int = 0
    rank: int = 0
    interval: Interval = UNKNOWN
    spread: float = math.nan
    difference: float = math.nan
    verdict: str = ""
    test: Comparison | None = None


@dataclass(frozen=True)
class TableRow:
    """One row of a table: the cells of one method in the order of the metrics."""

    name: str
    title: str
    stretch: str
    control: bool
    cells: tuple[Cell, ...]
    failure: str = ""
    missing: bool = False
    seeds: int = 1
    footnotes: tuple[str, ...] = ()

    @property
    def output(self) -> str:
        """What was done to the output before it was measured; "" if the method was not run."""
        return "" if self.missing else {"none": "raw"}.get(self.stretch, self.stretch)


@dataclass(frozen=True)
class Table:
    """One comparison of methods on one data set.

    number: number in the paper; 0 for a data set that the paper does not have.
    paper: whether printed values stand beside ours.
    agreement: metric → Kendall's τ between our order of the methods and the printed order.
    """

    number: int
    caption: str
    dataset: str
    metrics: tuple[str, ...]
    rows: tuple[TableRow, ...]
    paper: bool
    agreement: dict[str, float]
    claims: tuple[Claim, ...] = ()

    @property
    def identifier(self) -> str:
        """Name of the table's files."""
        return f"table{self.number}_{self.dataset}" if self.number else f"comparison_{self.dataset}"

    @property
    def label(self) -> str:
        """Name of the table in a sentence."""
        return f"Table {self.number}" if self.number else "Comparison"

    @property
    def title(self) -> str:
        """Heading of the table."""
        return f"Table {self.number}: {self.caption}" if self.number else self.caption

    @property
    def footnotes(self) -> list[str]:
        """All footnotes without repetition; their position gives their number, from 1."""
        return list(dict.fromkeys(note for row in self.rows for note in row.footnotes))

    def marks(self, row: TableRow) -> list[int]:
        """Return the numbers of a row's footnotes."""
        return [self.footnotes.index(note) + 1 for note in row.footnotes]


def build_tables(
    plan: ReportPlan, runs: dict[str, list[Run]], analyses: dict[str, Analysis]
) -> list[Table]:
    """Build the paper's tables in its order, then one for each data set that it does not have."""
    wanted = [
        (dataset, definition)
        for definition in table_definitions()
        for dataset in plan.datasets
        if applies(definition, dataset)
    ]
    wanted += [
        (dataset, {"number": 0, "caption": f"Comparison on {plan.store(dataset).meta['title']}"})
        for dataset in plan.datasets
        if not dataset.stands_for
    ]
    return [
        _build(plan, dataset, definition, runs[dataset.name], analyses[dataset.name])
        for dataset, definition in wanted
    ]


def applies(definition: dict[str, Any], dataset: PlannedDataset) -> bool:
    """Say whether a table applies: a comparison to its data set, an ablation where one ran."""
    if "rows" not in definition:
        return bool(dataset.stands_for == definition["stands_for"])
    ablations = {method for _, method in definition["rows"]} - {REFERENCE}
    return bool(ablations & set(dataset.rows))


def _build(
    plan: ReportPlan,
    dataset: PlannedDataset,
    definition: dict[str, Any],
    runs: list[Run],
    analysis: Analysis,
) -> Table:
    number, paper = definition["number"], dataset.stands_for == definition.get("stands_for")
    printed = printed_table(number) if paper else {}
    builder = _Rows(plan, runs, printed, analysis)
    if "rows" in definition:
        rows = builder.listed(definition["rows"])
    else:
        rows = builder.comparison(dataset)
    rows = builder.tested(rows)
    return Table(
        number,
        definition["caption"],
        dataset.name,
        plan.metrics,
        mark_best(rows, plan.metrics),
        paper,
        _agreement(rows, plan.metrics),
        build_claims(definition.get("claims", []), analysis, printed),
    )


KINDS = ("baseline", "proposed", "control")
"""Kinds of methods in a comparison, in the order of its rows."""


class _Rows:
    """Makes table rows from the runs of one data set."""

    def __init__(
        self,
        plan: ReportPlan,
        runs: list[Run],
        printed: dict[tuple[str, str], str],
        analysis: Analysis,
    ) -> None:
        self.plan, self.printed, self.analysis = plan, printed, analysis
        self.runs: dict[str, list[Run]] = {}
        for run in runs:
            self.runs.setdefault(run.row, []).append(run)

    def listed(self, rows: list[list[str]]) -> list[TableRow]:
        """Return the rows of Tables 3-5 under their printed labels."""
        return [self.row(method, title=label) for label, method in rows]

    def comparison(self, dataset: PlannedDataset) -> list[TableRow]:
        """List the rows of a comparison: baselines in the paper's order, others, ours, controls."""
        printed = list(dict.fromkeys(method for method, _ in self.printed))

        def order(name: str) -> tuple[int, int]:
            method = Row.parse(name).method
            known = self.plan.methods.get(method)
            place = printed.index(method) if method in printed else len(printed)
            return KINDS.index(known.kind if known else "baseline"), place

        names = [name for name in dataset.rows if self.plan.method(name).kind != "ablation"]
        names += [method for method in printed if method not in dataset.rows]
        return [self.row(name) for name in sorted(names, key=order)]

    def row(self, name: str, title: str = "") -> TableRow:
        """Build one row; a method that was not run keeps its printed values and says so."""
        stretch, runs = Row.parse(name).stretch, self.runs.get(name, [])
        cells = tuple(self._cell(name, metric) for metric in self.plan.metrics)
        if not runs:
            title = title or TITLES.get(name, name)
            note = (f"{title} was not run: only the paper's values stand here.",)
            return TableRow(name, title, "none", False, cells, missing=True, footnotes=note)
        method = self.plan.method(name)
        title, failure = title or method.title, next((r.failure for r in runs if r.failure), "")
        notes = tuple(self._notes(title, runs, cells, method.notes))
        control = method.kind == "control"
        return TableRow(
            name, title, stretch, control, cells, failure, seeds=len(runs), footnotes=notes
        )

    def _notes(
        self, title: str, runs: list[Run], cells: tuple[Cell, ...], notes: str
    ) -> Iterable[str]:
        failed = next((run for run in runs if run.failure), None)
        if failed:
            yield f"{title} failed (seed {failed.seed}): {failed.failure}"
        if notes:
            yield f"{title}: {notes.strip()}"
        weights = runs[0].fusing.get("details", {}).get("weights") or {}
        if origin := ORIGINS.get(weights.get("origin", "")):
            yield f"{title}: {origin}."
        for metric, cell in zip(self.plan.metrics, cells, strict=True):
            if cell.undefined:
                reason = METRICS[metric].undefined or "pixels are not finite"
                yield (
                    f"{title}: {metric.upper()} undefined on {cell.undefined} tiles and left out "
                    f"there ({reason})."
                )

    def _cell(self, row: str, metric: str) -> Cell:
        analysis = self.analysis
        printed = self.printed.get((Row.parse(row).method, metric), "")
        if row not in analysis.values:
            return Cell(math.nan, printed)
        ours, interval = analysis.mean(row, metric), analysis.interval(row, metric)
        value, demonstration = float(printed or "nan"), self.plan.demonstration
        return Cell(
            ours,
            printed,
            sum(int(run.scores[metric].isna().sum()) for run in self.runs[row]),
            interval=interval,
            spread=analysis.seed_spread(row, metric),
            difference=relative_difference(ours, value),
            verdict=cell_verdict(ours, interval, value, demonstration=demonstration),
        )

    def tested(self, rows: list[TableRow]) -> list[TableRow]:
        """Add the tests against SegFANet, with Holm's correction over the whole table."""
        tests = self.analysis.against([row.name for row in rows], REFERENCE)

        def cells(row: TableRow) -> Iterable[Cell]:
            for metric, cell in zip(self.plan.metrics, row.cells, strict=True):
                yield replace(cell, test=tests.get((row.name, metric)))

        return [replace(row, cells=tuple(cells(row))) for row in rows]


def _agreement(rows: list[TableRow], metrics: tuple[str, ...]) -> dict[str, float]:
    found = {}
    for column, metric in enumerate(metrics):
        cells = [row.cells[column] for row in rows if row.stretch == "none"]
        both = [(c.ours, float(c.printed)) for c in cells if c.printed and not math.isnan(c.ours)]
        if len(both) > 1:
            found[metric] = kendall_tau(*zip(*both, strict=True))
    return found


def mark_best(rows: Sequence[TableRow], metrics: tuple[str, ...]) -> tuple[TableRow, ...]:
    """Mark the best and second best of each metric; controls are not ranked."""
    columns = [_ranks(rows, column, metric) for column, metric in enumerate(metrics)]
    return tuple(
        replace(row, cells=tuple(map(_ranked, row.cells, ranks)))
        for row, *ranks in zip(rows, *columns, strict=True)
    )


def _ranked(cell: Cell, rank: int) -> Cell:
    return replace(cell, rank=rank)


def _ranks(rows: Sequence[TableRow], column: int, metric: str) -> list[int]:
    values = [math.nan if row.control else row.cells[column].ours for row in rows]
    known = {value for value in values if not math.isnan(value)}
    best = sorted(known, reverse=METRICS[metric].larger_is_better)[:2]
    return [best.index(value) + 1 if value in best else 0 for value in values]


def heading(metric: str) -> str:
    """Return a column heading, with an arrow in the direction in which the metric is better."""
    return f"{metric.upper()} {METRICS[metric].arrow}"
