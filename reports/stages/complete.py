"""Fails if a run failed, after the report shows it: `python -m reports.stages.complete --help`."""

from typing import TYPE_CHECKING

from harness.cli import run
from harness.disk.files import write_text
from harness.disk.records import read_record
from harness.errors import HarnessError
from reports.stages.common import report_arguments

if TYPE_CHECKING:
    from reports.run import Report


def main() -> None:
    """Write the number of runs if all runs have values; fail if one has none."""
    part = report_arguments("complete", main.__doc__ or "", "file to write if no run failed")
    record = part.record(part.output.with_suffix(".json"))
    # They load pandas, which the help of this stage does without.
    from reports.run import read_report

    report = read_report(part.plan)
    failures = report.failures()
    if failures:
        _forget(report)
        lines = [f"  {f.dataset}: {f.row} (seed {f.seed}): {f.reason}" for f in failures]
        raise HarnessError(
            f"{len(failures)} runs failed; the report shows them as failed cells:\n"
            + "\n".join(lines)
            + "\nThe next run tries them again and keeps finished results."
        )
    count = sum(len(runs) for runs in report.runs.values())
    write_text(part.output, f"{count} runs, all with values\n")
    record.write(part.output.with_suffix(".json"), [part.output])


def _forget(report: "Report") -> None:
    """Delete the outputs of failed runs, so that the next run makes them again.

    Records are kept, because they contain the reasons.
    """
    for dataset in report.plan.datasets:
        for one in report.runs[dataset.name]:
            if not one.failure:
                continue
            folder = report.plan.folder(dataset, one.row, one.seed)
            (folder / "scores.csv").unlink()
            (folder / "fused.npy").unlink()
            training = folder / "training.json"
            if training.is_file() and read_record(training)["status"] == "failed":
                (folder / "checkpoint.pt").unlink()


if __name__ == "__main__":
    run(main)
