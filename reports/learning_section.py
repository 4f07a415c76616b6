"""The section *Learning* of the page: curves, held-out losses and the segmentation branch."""

import math
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from harness.methods.rows import Row
from reports.diagrams import curve_diagram
from reports.learning import OPTIMUM, Learning, marked
from reports.plan import PlannedDataset
from reports.run import Report
from reports.scores import Run


@dataclass(frozen=True)
class TrainedRun:
    """One line of the section: a training and its measures on the test tiles."""

    title: str
    row: str
    seed: int
    unlearned: str
    learning: Learning

    @property
    def correlations(self) -> list[str]:
        """Per stage, the correlation of the IRM image with the infrared and the visible image."""
        stages = self.learning.reconstructed
        if stages is None:
            return []
        return [f"{infrared:+.2f} / {visible:+.2f}" for infrared, visible in stages]


def learning_of(report: Report) -> list[dict[str, Any]]:
    """Describe the trainings of every data set that has any.

    Returns:
        One mapping per data set: its `name`, `title`, `classes`, `runs`, `curves` (title and
        diagram of each row), whether test tiles are `labelled`, and L_f of the plain `average` and
        of the `optimum`, NaN where `loss_optimum` did not run.
    """
    found = (_dataset(report, dataset) for dataset in report.plan.datasets)
    return [described for described in found if described["runs"]]


def _dataset(report: Report, dataset: PlannedDataset) -> dict[str, Any]:
    measured = {
        (run.row, run.seed): (run, run.learning)
        for run in report.runs[dataset.name]
        if run.learning is not None and Row.parse(run.row).raw
    }
    optima = [learning.loss for (row, _), (_, learning) in measured.items() if row == OPTIMUM]
    runs = [
        _trained(report, run, learning) for run, learning in measured.values() if run.row != OPTIMUM
    ]
    store = report.plan.store(dataset)
    return {
        "name": dataset.name,
        "title": store.meta["title"],
        "classes": store.classes,
        "runs": runs,
        "curves": _curves(runs, report, dataset),
        "labelled": any(run.learning.labelled for run in runs),
        "average": runs[0].learning.average if runs else math.nan,
        "optimum": optima[0] if optima else math.nan,
    }


def _trained(report: Report, run: Run, learning: Learning) -> TrainedRun:
    title = report.plan.method(run.row).title
    return TrainedRun(title, run.row, run.seed, run.unlearned, learning)


def _curves(
    runs: list[TrainedRun], report: Report, dataset: PlannedDataset
) -> list[tuple[str, Markup]]:
    """Return the title and the diagram of each row that has a log."""
    unlearned = report.analyses[dataset.name].unlearned
    rows = dict.fromkeys(run.row for run in runs)
    logs = {row: [r.learning.log for r in runs if r.row == row and r.learning.log] for row in rows}
    titles = {run.row: run.title for run in runs}
    return [
        (
            marked(titles[row], row, unlearned),
            curve_diagram(several, f"Loss terms of {titles[row]} on {dataset.name} by step"),
        )
        for row, several in logs.items()
        if several
    ]
