"""Fails if a run failed, after the report shows it: `python -m reports.stages.complete --help`."""

from pathlib import Path
from typing import TYPE_CHECKING

from harness.disk.files import write_text
from harness.errors import HarnessError
from reports.stages.common import Written, run_stage

if TYPE_CHECKING:
    from reports.run import Report


def check_complete(report: "Report", output: Path) -> Written:
    """Write the number of runs if all have values, and what did not learn; fail if one has none."""
    failures, unlearned = report.failures(), _unlearned(report)
    if failures:
        lines = [f"  {run.dataset}: {run.row} (seed {run.seed}): {run.failure}" for run in failures]
        message = [
            f"{len(failures)} runs failed; the report shows them as failed cells:",
            *lines,
            "The next run tries them again and keeps finished results.",
        ]
        raise HarnessError("\n".join([*message, *unlearned]))
    count = sum(len(runs) for runs in report.runs.values())
    # The Snakefile prints this text when the run ends.
    write_text(output, "\n".join([f"{count} runs, all with values", *unlearned, ""]))
    return {output.with_suffix(".json"): [output]}


def _unlearned(report: "Report") -> list[str]:
    """Return one line per training that did not learn, below a heading."""
    runs = report.unlearned()
    lines = [f"  {run.dataset}: {run.row} (seed {run.seed}): {run.unlearned}" for run in runs]
    words = "the report marks their values, ranks none of them and judges nothing by them"
    return [f"{len(runs)} trainings did not learn; {words}:", *lines] if runs else []


if __name__ == "__main__":
    run_stage("complete", check_complete, "file to write if no run failed")
