"""The rows of a table: our means, intervals and verdicts beside the printed values."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from harness.methods.rows import Row
from metrics.registry import METRICS
from reports.analysis import REFERENCE, Analysis
from reports.learning import UNLEARNED
from reports.plan import PlannedDataset, ReportPlan
from reports.printed import LITERAL, PRINTED_AS, TITLES, Printed, printed_ranks
from reports.scores import Run
from reports.statistics import UNKNOWN, Comparison, Interval
from reports.verdicts import REPEATABILITY, Judgement, judge, relative_difference, rounding

ORIGINS = {
    "retrained": "weights trained here",
    "demonstration": "weights trained by this project on demonstration data, not the authors'",
    "user": "weights given by the user, not known to be its authors'",
}
"""What footnotes say about weights that are not the authors' file."""
KINDS = ("baseline", "proposed", "ablation", "control")
"""Kinds of methods in the order of a table's rows."""
NOT_JUDGED = Judgement("")


@dataclass(frozen=True)
class Cell:
    """One method under one metric.

    ours: mean over tiles, then over seeds; NaN if there is none.
    printed: the paper's value as it is printed; "" if the paper has none.
    undefined: number of tiles on which the metric has no value.
    rank, printed_rank: 1 for the best of ours and of the paper's values, 2 for the second best, 0
        for others.
    spread: standard deviation over seeds; NaN with one seed.
    difference: (ours − printed) / |printed|.
    judgement: verdict of the printed value; without words where it is judged elsewhere.
    test: comparison with SegFANet; None if there is none.
    """

    ours: float
    printed: str
    undefined: int = 0
    rank: int = 0
    printed_rank: int = 0
    interval: Interval = UNKNOWN
    spread: float = math.nan
    difference: float = math.nan
    judgement: Judgement = NOT_JUDGED
    test: Comparison | None = None


@dataclass(frozen=True)
class TableRow:
    """One row of a table: the cells of one method in the order of the metrics.

    unranked: why the row is shown without a rank, such as `stretched`; "" if it is ranked.
    unlearned: which of its trainings did not learn, and why; "" if all did.
    """

    name: str
    title: str
    stretch: str
    control: bool
    cells: tuple[Cell, ...]
    failure: str = ""
    missing: bool = False
    unranked: str = ""
    seeds: int = 1
    footnotes: tuple[str, ...] = ()
    unlearned: str = ""

    @property
    def method(self) -> str:
        """Name of the method behind the row."""
        return Row.parse(self.name).method

    @property
    def output(self) -> str:
        """What was done to the output before it was measured; "" if the method was not run."""
        return "" if self.missing else {"none": "raw"}.get(self.stretch, self.stretch)


def printed_method(row: str) -> str:
    """Return the method under whose name the paper prints the values of a row."""
    method = Row.parse(row).method
    return PRINTED_AS.get(method, method)


def why_unranked(row: str, kind: str) -> str:
    """Say why a row takes no part in the ranking: only one raw row per method does."""
    method = Row.parse(row).method
    if kind == "control":
        return "control"
    if not Row.parse(row).raw:
        return "stretched"
    if method in PRINTED_AS:
        return "literal reading" if method == LITERAL else "other reading"
    return "" if row == method else "other weights"


def representatives(analysis: Analysis, methods: Iterable[str], literal: bool) -> dict[str, str]:
    """Return method → the row that stands for the paper's, of those that have values or died.

    Args:
        analysis: values of the data set.
        methods: names as the paper prints them.
        literal: whether the network of Eqs. 1-18 and nothing else stands for SegFANet if it ran.
    """
    known = {*analysis.values, *analysis.unlearned}
    found = {method: method for method in methods if method in known}
    if literal and LITERAL in known and PRINTED_AS[LITERAL] in set(methods):
        found[PRINTED_AS[LITERAL]] = LITERAL
    return found


@dataclass
class RowBuilder:
    """Makes table rows from the runs of one data set.

    judged: comparisons (data set of the paper, method, metric) that have a verdict already; each
        of the printed ones is judged once, where it stands first.
    ablation: whether the table is one of 3-5.
    """

    plan: ReportPlan
    dataset: PlannedDataset
    runs: Sequence[Run]
    printed: Printed
    analysis: Analysis
    judged: set[tuple[str, str, str]]
    ablation: bool
    by_row: dict[str, list[Run]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Group the runs by row, and choose the row that is judged for each method."""
        for run in self.runs:
            self.by_row.setdefault(run.row, []).append(run)
        methods = dict.fromkeys(method for method, _ in self.printed)
        self.standing = representatives(self.analysis, methods, not self.ablation)
        self.paper_ranks = {
            metric: printed_ranks(self.printed, metric, METRICS[metric].larger_is_better)
            for metric in self.analysis.metrics
        }

    def listed(self, rows: list[list[str]]) -> list[TableRow]:
        """Return the rows of Tables 3-5 under their printed labels."""
        return [self.row(method, title=label) for label, method in rows]

    def comparison(self) -> list[TableRow]:
        """List the rows of a comparison: baselines in the paper's order, others, ours, controls."""
        printed = list(dict.fromkeys(method for method, _ in self.printed))

        def order(name: str) -> tuple[int, int]:
            method = printed_method(name)
            known = self.plan.methods.get(method)
            place = printed.index(method) if method in printed else len(printed)
            return KINDS.index(known.kind if known else "baseline"), place

        names = [
            name
            for name in self.dataset.rows
            if self.plan.method(name).kind != "ablation" or Row.parse(name).method in PRINTED_AS
        ]
        names += [method for method in printed if method not in self.dataset.rows]
        return [self.row(name) for name in sorted(names, key=order)]

    def row(self, name: str, title: str = "") -> TableRow:
        """Build one row; a method that was not run keeps its printed values and says so."""
        stretch, runs = Row.parse(name).stretch, self.by_row.get(name, [])
        cells = tuple(self._cell(name, metric) for metric in self.analysis.metrics)
        if not runs:
            title = title or TITLES.get(name, name)
            note = (f"{title} was not run: only the paper's values stand here.",)
            return TableRow(name, title, "none", False, cells, missing=True, footnotes=note)
        method = self.plan.method(name)
        title, failure = title or method.title, next((r.failure for r in runs if r.failure), "")
        unlearned = self.analysis.unlearned.get(name, "")
        return TableRow(
            name,
            title,
            stretch,
            method.kind == "control",
            cells,
            failure,
            unranked=UNLEARNED if unlearned else why_unranked(name, method.kind),
            seeds=len(runs),
            footnotes=tuple(self._notes(title, runs, cells, method.notes)),
            unlearned=unlearned,
        )

    def _notes(
        self, title: str, runs: list[Run], cells: tuple[Cell, ...], notes: str
    ) -> Iterable[str]:
        failed = next((run for run in runs if run.failure), None)
        if failed:
            yield f"{title} failed (seed {failed.seed}): {failed.failure}"
        if unlearned := self.analysis.unlearned.get(runs[0].row):
            yield f"{title} {UNLEARNED} ({unlearned})."
        if notes:
            yield f"{title}: {notes.strip()}"
        if origin := ORIGINS.get(runs[0].weights.get("origin", "")):
            yield f"{title}: {origin}."
        for metric, cell in zip(self.analysis.metrics, cells, strict=True):
            if cell.undefined:
                reason = METRICS[metric].undefined or "pixels are not finite"
                yield (
                    f"{title}: {metric.upper()} undefined on {cell.undefined} tiles and left out "
                    f"there ({reason})."
                )

    def _cell(self, row: str, metric: str) -> Cell:
        analysis, method = self.analysis, printed_method(row)
        printed = self.printed.get((method, metric), "")
        place = (
            self.paper_ranks[metric].get(method, 0) if self.standing.get(method, row) == row else 0
        )
        if row not in analysis.values:
            return Cell(math.nan, printed, printed_rank=place)
        ours = analysis.mean(row, metric)
        return Cell(
            ours,
            printed,
            sum(int(run.scores[metric].isna().sum()) for run in self.by_row[row]),
            printed_rank=place,
            interval=analysis.interval(row, metric),
            spread=analysis.seed_spread(row, metric),
            difference=relative_difference(ours, float(printed or "nan")),
            judgement=self._judgement(row, method, metric, printed),
        )

    def _judgement(self, row: str, method: str, metric: str, printed: str) -> Judgement:
        """Judge a printed value by the row that stands for it, once.

        Demonstration data are not the paper's data, so nothing is judged there; nor is a network
        that did not learn, which every cell says.
        """
        if row in self.analysis.unlearned:
            return Judgement(UNLEARNED)
        key = (self.dataset.stands_for, method, metric)
        if self.plan.demonstration or not printed or self.standing.get(method) != row:
            return NOT_JUDGED
        if key in self.judged or math.isnan(self.analysis.mean(row, metric)):
            return NOT_JUDGED
        self.judged.add(key)
        gap = self._printed_gap(method, metric) if self.ablation else math.nan
        return judge_value(self.analysis, row, metric, printed, gap)

    def _printed_gap(self, method: str, metric: str) -> float:
        """Return the distance to the nearest other value that the table prints; 0 if all tie."""
        own = float(self.printed[method, metric])
        others = (float(value) for (_, name), value in self.printed.items() if name == metric)
        return min((abs(other - own) for other in others if other != own), default=0.0)

    def tested(self, rows: list[TableRow]) -> list[TableRow]:
        """Add the tests against SegFANet, with Holm's correction over the whole table."""
        tests = self.analysis.against([row.name for row in rows], REFERENCE)

        def cells(row: TableRow) -> Iterable[Cell]:
            for metric, cell in zip(self.analysis.metrics, row.cells, strict=True):
                yield replace(cell, test=tests.get((row.name, metric)))

        return [replace(row, cells=tuple(cells(row))) for row in rows]


def judge_value(
    analysis: Analysis, row: str, metric: str, printed: str, gap: float = math.nan
) -> Judgement:
    """Judge our mean against a printed value (docs/statistics.md).

    Args:
        analysis: values of the data set.
        row: a row that has values.
        metric: one of the analysis.
        printed: the value as it is printed.
        gap: in an ablation table, the distance to the nearest other value that it prints; NaN in
            other tables.
    """
    chances = [
        replace(chance, printed=1 if chance.units == "seeds" else chance.count)
        for chance in analysis.chances(metric, row)
    ]
    tolerance = rounding(printed)
    if not math.isnan(gap):
        tolerance = max(tolerance, gap / 2)
    elif row in analysis.trained:
        tolerance += REPEATABILITY * analysis.seed_spread(row, metric)
    return judge(analysis.mean(row, metric) - float(printed), chances, tolerance)


def mark_best(rows: Sequence[TableRow], metrics: tuple[str, ...]) -> tuple[TableRow, ...]:
    """Mark the best and second best of each metric among the ranked rows."""
    columns = [_ranks(rows, column, metric) for column, metric in enumerate(metrics)]
    return tuple(
        replace(row, cells=tuple(map(_ranked, row.cells, ranks)))
        for row, *ranks in zip(rows, *columns, strict=True)
    )


def _ranked(cell: Cell, rank: int) -> Cell:
    return replace(cell, rank=rank)


def _ranks(rows: Sequence[TableRow], column: int, metric: str) -> list[int]:
    values = [math.nan if row.unranked else row.cells[column].ours for row in rows]
    known = {value for value in values if not math.isnan(value)}
    best = sorted(known, reverse=METRICS[metric].larger_is_better)[:2]
    return [best.index(value) + 1 if value in best else 0 for value in values]
