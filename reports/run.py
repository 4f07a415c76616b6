"""Everything that a report shows, read once from the results of a run."""

from dataclasses import dataclass
from typing import Any

from harness.disk.records import read_record
from reports.analysis import Analysis, analyse
from reports.plan import ReportPlan
from reports.scores import Run, read_runs
from reports.tables import Table, build_tables


@dataclass(frozen=True)
class Failure:
    """A run without values, and the reason."""

    dataset: str
    row: str
    seed: int
    reason: str


@dataclass(frozen=True)
class Report:
    """The results behind one page."""

    plan: ReportPlan
    runs: dict[str, list[Run]]
    analyses: dict[str, Analysis]
    tables: list[Table]

    def failures(self) -> list[Failure]:
        """List all runs that failed, in table order."""
        return [
            Failure(dataset, run.row, run.seed, run.failure)
            for dataset, runs in self.runs.items()
            for run in runs
            if run.failure
        ]

    def provenance(self) -> list[dict[str, Any]]:
        """List the records of all training and fusing jobs, with the run that each belongs to."""
        lines = []
        for dataset in self.plan.datasets:
            for row, seed, folder in self.plan.runs(dataset):
                for file in ("training.json", "fused.json"):
                    if (folder / file).is_file():
                        record = read_record(folder / file)
                        lines.append({"dataset": dataset.name, "row": row, "seed": seed, **record})
        return lines


def read_report(plan: ReportPlan) -> Report:
    """Read all per-image tables of a run and build the tables."""
    runs = {dataset.name: read_runs(plan, dataset) for dataset in plan.datasets}
    analyses = {
        dataset.name: analyse(plan, dataset, runs[dataset.name]) for dataset in plan.datasets
    }
    return Report(plan, runs, analyses, build_tables(plan, runs, analyses))
