"""Quality checks: they report what looks wrong in a run or needs a second look."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np

from harness.methods.rows import Row
from metrics.registry import METRICS
from reports.analysis import Analysis
from reports.learning import UNLEARNED
from reports.run import Report
from reports.scores import Run
from reports.tables import Table

TOLERANCE = 1e-6
"""How far the rounding of a metric may exceed a bound."""
CONTROLS = "Controls that beat methods"
"""Title of the check whose findings the section on controls shows as well."""


@dataclass(frozen=True)
class Check:
    """One check: what it looks for, and what it found. No finding is good.

    alarming: True if a finding is a defect, False if a reader only needs to know it.
    """

    title: str
    findings: tuple[str, ...]
    alarming: bool = True


def quality_checks(report: Report) -> list[Check]:
    """Run all checks over all data sets."""

    def each(find: Callable[[str, Analysis], Iterable[str]]) -> tuple[str, ...]:
        found = (find(name, analysis) for name, analysis in report.analyses.items())
        return tuple(chain.from_iterable(found))

    failed = [f"{r.dataset}: {r.row}, seed {r.seed}: {r.failure}" for r in report.failures()]
    unlearned = [f"{r.dataset}: {r.row}, seed {r.seed}: {r.unlearned}" for r in report.unlearned()]
    copies = chain.from_iterable(_duplicates(runs) for runs in report.runs.values())
    beaten = chain.from_iterable(_beaten(table) for table in report.tables)
    return [
        Check("Failed runs", tuple(failed)),
        Check(f"Trainings that {UNLEARNED}", tuple(unlearned)),
        Check("Printed methods that were not run", tuple(_missing(report.tables)), alarming=False),
        Check("Undefined values (left out of means)", each(_undefined), alarming=False),
        Check("Constant outputs", each(_constant)),
        Check("Values outside a metric's range", each(_out_of_range)),
        Check("Identical outputs", tuple(copies)),
        Check(CONTROLS, tuple(beaten), alarming=False),
    ]


def _missing(tables: list[Table]) -> Iterator[str]:
    for table in tables:
        names = [row.title for row in table.rows if row.missing]
        if names:
            yield f"{table.label}, {table.dataset}: {', '.join(names)}"


def _undefined(dataset: str, analysis: Analysis) -> Iterator[str]:
    for row, values in analysis.values.items():
        for metric, count in zip(analysis.metrics, np.isnan(values).sum((0, 1)), strict=True):
            if count:
                yield f"{dataset}: {row}: {metric.upper()} on {count} tiles"


def _constant(dataset: str, analysis: Analysis) -> Iterator[str]:
    if "sf" not in analysis.metrics:
        return
    column = analysis.metrics.index("sf")
    for row, values in analysis.values.items():
        flat = np.flatnonzero((values[:, :, column] == 0).any(axis=0))
        if len(flat):
            names = ", ".join(analysis.tiles[index] for index in flat[:3])
            yield f"{dataset}: {row}: {len(flat)} tiles without any detail ({names})"


def _out_of_range(dataset: str, analysis: Analysis) -> Iterator[str]:
    for row, values in analysis.values.items():
        for column, metric in enumerate(analysis.metrics):
            low, high = METRICS[metric].range
            part = values[:, :, column]
            outside = (part < low - TOLERANCE) | (part > high + TOLERANCE)
            if outside.any():
                yield f"{dataset}: {row}: {metric.upper()} on {int(outside.sum())} tiles"


def _duplicates(runs: list[Run]) -> Iterator[str]:
    groups: dict[str, list[Run]] = {}
    for run in runs:
        if not run.failure:
            groups.setdefault(run.fusing["artefacts"]["fused.npy"], []).append(run)
    for group in groups.values():
        # Stretched rows of one method may equal its raw row: there was nothing to stretch.
        if len({(Row.parse(run.row).run, run.seed) for run in group}) > 1:
            names = ", ".join(f"{run.row} (seed {run.seed})" for run in group)
            yield f"{group[0].dataset}: {names} are the same pixels"


def _beaten(table: Table) -> Iterator[str]:
    methods = [r for r in table.rows if not (r.control or r.missing or r.unlearned)]
    for column, metric in enumerate(table.metrics):
        sign = METRICS[metric].sign
        ours = [sign * row.cells[column].ours for row in methods]
        for row in table.rows:
            value = sign * row.cells[column].ours
            beaten = sum(value > other for other in ours)
            if row.control and beaten:
                name = f"{row.title}, {row.output}"
                known = sum(not np.isnan(other) for other in ours)
                yield (
                    f"{table.label}, {table.dataset}: {name} beats {beaten} of {known} "
                    f"rows of methods in {metric.upper()}"
                )
