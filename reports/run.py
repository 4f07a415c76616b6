"""Everything that a report shows, read once from the results of a run."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from harness.disk.records import read_record
from harness.methods.rows import Row
from reports.analysis import Analysis, analyse
from reports.claims import Claim, table_claims
from reports.plan import ReportPlan
from reports.scores import Run, read_runs
from reports.semantics import semantics_claims
from reports.tables import Table, build_tables


@dataclass(frozen=True)
class Report:
    """The results behind one page; runs and analyses by the name of their data set."""

    plan: ReportPlan
    runs: dict[str, list[Run]]
    analyses: dict[str, Analysis]

    @cached_property
    def tables(self) -> list[Table]:
        """All tables with their tests and intervals, built when a stage asks for them."""
        return build_tables(self.plan, self.runs, self.analyses)

    def failures(self) -> list[Run]:
        """List all runs that failed, in table order."""
        return [run for runs in self.runs.values() for run in runs if run.failure]

    def unlearned(self) -> list[Run]:
        """List all runs whose training did not learn, in table order, without stretched rows."""
        return [
            run
            for runs in self.runs.values()
            for run in runs
            if run.unlearned and Row.parse(run.row).raw
        ]

    def claims(self) -> list[Claim]:
        """Judge the paper's claims about its tables in its order, and its thesis by controls."""
        return [
            claim
            for judge in (table_claims, semantics_claims)
            for dataset in self.plan.datasets
            for claim in judge(dataset, self.analyses[dataset.name])
        ]

    def provenance(self) -> list[dict[str, Any]]:
        """List the records of all training and fusing jobs, with the run that each belongs to."""
        return [
            {"dataset": run.dataset, "row": run.row, "seed": run.seed, **read_record(path)}
            for runs in self.runs.values()
            for run in runs
            for path in (run.folder / "training.json", run.folder / "fused.json")
            if path.is_file()
        ]


def read_report(plan: ReportPlan) -> Report:
    """Read all per-image tables of a run."""
    runs = {dataset.name: read_runs(plan, dataset) for dataset in plan.datasets}
    analyses = {
        dataset.name: analyse(plan, dataset, runs[dataset.name]) for dataset in plan.datasets
    }
    return Report(plan, runs, analyses)
