"""Fails if a run failed, after the report shows it: `python -m reports.stages.complete --help`."""

from pathlib import Path
from typing import TYPE_CHECKING

from harness.disk.files import write_text
from harness.errors import HarnessError
from reports.stages.common import Written, run_stage

if TYPE_CHECKING:
    from reports.run import Report


def check_complete(report: "Report", output: Path) -> Written:
    """Write the number of runs if all runs have values; fail if one has none."""
    failures = report.failures()
    if failures:
        lines = [f"  {run.dataset}: {run.row} (seed {run.seed}): {run.failure}" for run in failures]
        raise HarnessError(
            f"{len(failures)} runs failed; the report shows them as failed cells:\n"
            + "\n".join(lines)
            + "\nThe next run tries them again and keeps finished results."
        )
    count = sum(len(runs) for runs in report.runs.values())
    write_text(output, f"{count} runs, all with values\n")
    return {output.with_suffix(".json"): [output]}


if __name__ == "__main__":
    run_stage("complete", check_complete, "file to write if no run failed")
