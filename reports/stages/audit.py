"""Measures a data set again under other protocols: `python -m reports.stages.audit --help`."""

from pathlib import Path
from typing import TYPE_CHECKING

from harness.disk.files import write_text
from harness.errors import HarnessError
from reports.stages.common import Written, run_stage

if TYPE_CHECKING:
    from reports.run import Report


def write_audit(report: "Report", output: Path) -> Written:
    """Measure the data set that the folder of the table is named after; write the table."""
    from reports.audit import measure_choices

    datasets = {dataset.name: dataset for dataset in report.plan.datasets}
    name = output.parent.name
    if name not in datasets:
        raise HarnessError(f"--output {output}: the folder is none of {', '.join(datasets)}")
    table = measure_choices(report.plan, datasets[name], report.analyses[name])
    write_text(output, table.to_csv(index=False, lineterminator="\n"))
    return {output.with_suffix(".json"): [output]}


if __name__ == "__main__":
    run_stage("audit", write_audit, "table to write, results/DATASET/audit.csv")
