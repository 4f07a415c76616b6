"""Measures again under other protocols: `python -m reports.stages.audit --help`."""

from pathlib import Path
from typing import TYPE_CHECKING

from harness.disk.files import write_text
from reports.stages.common import Written, run_stage

if TYPE_CHECKING:
    from reports.run import Report


def write_audits(report: "Report", output: Path) -> Written:
    """Write `<dataset>/audit.csv` and its record for each data set."""
    from reports.audit import measure_choices

    written: dict[Path, list[Path]] = {}
    for dataset in report.plan.datasets:
        table = measure_choices(report.plan, dataset, report.analyses[dataset.name])
        path = output / dataset.name / "audit.csv"
        write_text(path, table.to_csv(index=False, lineterminator="\n"))
        written[path.with_suffix(".json")] = [path]
    return written


if __name__ == "__main__":
    run_stage("audit", write_audits, "folder of the data sets' results")
