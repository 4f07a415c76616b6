"""Quality checks: they report what looks wrong in a run or needs a second look."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from harness.benchmark import Row
from metrics import METRICS
from reports.analysis import Analysis
from reports.plan import PlannedDataset, ReportPlan
from reports.scores import Run
from reports.tables import Table

TOLERANCE = 1e-6
"""How far the rounding of a metric may exceed a bound."""


@dataclass(frozen=True)
class Check:
    """One check: what it looks for, and what it found. No finding is good.

    alarming: True if a finding is a defect, False if a reader only needs to know it.
    """

    title: str
    findings: tuple[str, ...]
    alarming: bool = True


def quality_checks(
    plan: ReportPlan,
    runs: dict[str, list[Run]],
    analyses: dict[str, Analysis],
    tables: list[Table],
) -> list[Check]:
    """Run all checks over all data sets."""
    pairs = [(dataset, runs[dataset.name], analyses[dataset.name]) for dataset in plan.datasets]
    return [
        Check("Failed runs", tuple(x for d, r, _ in pairs for x in _failed(d, r))),
        Check("Printed methods that were not run", tuple(_missing(tables)), alarming=False),
        Check(
            "Undefined values (left out of means)",
            tuple(x for d, _, a in pairs for x in _undefined(d, a)),
            alarming=False,
        ),
        Check("Constant outputs", tuple(x for d, _, a in pairs for x in _constant(d, a))),
        Check(
            "Values outside a metric's range",
            tuple(x for d, _, a in pairs for x in _out_of_range(d, a)),
        ),
        Check("Identical outputs", tuple(x for d, r, _ in pairs for x in _duplicates(d, r))),
        Check(
            "Controls that beat methods",
            tuple(x for table in tables for x in _beaten(table)),
            alarming=False,
        ),
    ]


def _failed(dataset: PlannedDataset, runs: list[Run]) -> Iterator[str]:
    for run in runs:
        if run.failure:
            yield f"{dataset.name}: {run.row}, seed {run.seed}: {run.failure}"


def _missing(tables: list[Table]) -> Iterator[str]:
    for table in tables:
        names = [row.title for row in table.rows if row.missing]
        if names:
            yield f"{table.label}, {table.dataset}: {', '.join(names)}"


def _undefined(dataset: PlannedDataset, analysis: Analysis) -> Iterator[str]:
    for row, values in analysis.values.items():
        for metric, count in zip(analysis.metrics, np.isnan(values).sum((0, 1)), strict=True):
            if count:
                yield f"{dataset.name}: {row}: {metric.upper()} on {count} tiles"


def _constant(dataset: PlannedDataset, analysis: Analysis) -> Iterator[str]:
    if "sf" not in analysis.metrics:
        return
    column = analysis.metrics.index("sf")
    for row, values in analysis.values.items():
        flat = np.flatnonzero((values[:, :, column] == 0).any(axis=0))
        if len(flat):
            names = ", ".join(analysis.tiles[index] for index in flat[:3])
            yield f"{dataset.name}: {row}: {len(flat)} tiles without any detail ({names})"


def _out_of_range(dataset: PlannedDataset, analysis: Analysis) -> Iterator[str]:
    for row, values in analysis.values.items():
        for column, metric in enumerate(analysis.metrics):
            low, high = METRICS[metric].range
            part = values[:, :, column]
            outside = (part < low - TOLERANCE) | (part > high + TOLERANCE)
            if outside.any():
                yield f"{dataset.name}: {row}: {metric.upper()} on {int(outside.sum())} tiles"


def _duplicates(dataset: PlannedDataset, runs: list[Run]) -> Iterator[str]:
    groups: dict[str, list[Run]] = {}
    for run in runs:
        if not run.failure:
            groups.setdefault(run.fusing["artefacts"]["fused.npy"], []).append(run)
    for group in groups.values():
        # Stretched rows of one method may equal its raw row: there was nothing to stretch.
        if (
            len({Row.parse(run.row).method for run in group}) > 1
            or len({run.seed for run in group}) > 1
        ):
            names = ", ".join(f"{run.row} (seed {run.seed})" for run in group)
            yield f"{dataset.name}: {names} are the same pixels"


def _beaten(table: Table) -> Iterator[str]:
    methods = [row for row in table.rows if not row.control and not row.missing]
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
