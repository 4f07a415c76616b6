"""The tables: which there are, and what each one holds."""

from dataclasses import dataclass
from typing import Any

from metrics.registry import METRICS
from reports.analysis import REFERENCE, Analysis
from reports.orders import Order, judge_orders
from reports.plan import PlannedDataset, ReportPlan
from reports.printed import TITLES, printed_table, table_definitions
from reports.rows import RowBuilder, TableRow, mark_best
from reports.scores import Run
from reports.semantics import controls

SEMANTICS = {"number": 0, "name": "semantics", "caption": "Do the semantics help? Controls"}
"""The table of SegFANet and the settings that lack a part of the semantics."""


@dataclass(frozen=True)
class Table:
    """One comparison of methods on one data set.

    number: number in the paper; 0 for a table that the paper does not have.
    paper: whether printed values stand beside ours.
    measured: the dialect and the colour rule of the metrics, in words.
    orders: whether the printed order of the methods holds, by metric; Tables 1 and 2 only.
    """

    number: int
    caption: str
    dataset: str
    metrics: tuple[str, ...]
    rows: tuple[TableRow, ...]
    paper: bool
    orders: tuple[Order, ...] = ()
    measured: str = ""
    name: str = "comparison"

    @property
    def identifier(self) -> str:
        """Name of the table's files."""
        return f"{f'table{self.number}' if self.number else self.name}_{self.dataset}"

    @property
    def label(self) -> str:
        """Name of the table in a sentence."""
        return f"Table {self.number}" if self.number else self.name.capitalize()

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
    """Build the paper's tables in its order, then those that it does not have.

    These are one for each other data set, and one of the controls of the semantics where they ran.
    """
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
    for dataset in plan.datasets:
        if ran := controls(dataset):
            titles = {REFERENCE: TITLES[REFERENCE], **{row: plan.method(row).title for row in ran}}
            listing = {"rows": [[title, row] for row, title in titles.items()]}
            wanted.append((dataset, {**SEMANTICS, **listing}))
    judged: set[tuple[str, str, str]] = set()
    tables = []
    for dataset, definition in wanted:
        number, listed = definition["number"], definition.get("rows")
        paper = number > 0 and dataset.stands_for == definition["stands_for"]
        printed = printed_table(number) if paper else {}
        own, analysis = runs[dataset.name], analyses[dataset.name]
        builder = RowBuilder(plan, dataset, own, printed, analysis, judged, bool(listed))
        rows = builder.listed(listed) if listed else builder.comparison()
        marked = mark_best(builder.tested(rows), analysis.metrics)
        orders = () if listed else judge_orders(analysis, printed, builder.standing)
        place = definition["caption"], dataset.name, analysis.metrics
        name = definition.get("name", "comparison")
        tables.append(Table(number, *place, marked, paper, orders, dataset.measured, name))
    return tables


def applies(definition: dict[str, Any], dataset: PlannedDataset) -> bool:
    """Say whether a table applies: a comparison to its data set, an ablation where one ran."""
    if "rows" not in definition:
        return bool(dataset.stands_for == definition["stands_for"])
    ablations = {method for _, method in definition["rows"]} - {REFERENCE}
    return bool(ablations & set(dataset.rows))


def heading(metric: str) -> str:
    """Return a column heading, with an arrow in the direction in which the metric is better."""
    return f"{metric.upper()} {METRICS[metric].arrow}"
