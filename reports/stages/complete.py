"""Fail if a method failed, after the report shows where: `--help` lists the arguments."""

from harness.errors import HarnessError
from harness.files import write_text
from harness.stages.common import run
from reports.run import read_report
from reports.stages.common import report_arguments


def main() -> None:
    """Parse the command line; write the count of runs if all of them have values."""
    outline, output = report_arguments(main.__doc__ or "", "file to write if nothing failed")
    report = read_report(outline)
    failures = report.failures()
    if failures:
        lines = [f"  {f.dataset}: {f.row} (seed {f.seed}): {f.reason}" for f in failures]
        raise HarnessError(
            f"{len(failures)} runs failed; the report shows them as failed cells:\n"
            + "\n".join(lines)
            + "\nMend the method and run again; after an outside cause (memory, a missing file) "
            "force it: snakemake --cores 2 --forcerun fuse"
        )
    count = sum(len(runs) for runs in report.runs.values())
    write_text(output, f"{count} runs, all with values\n")


if __name__ == "__main__":
    run(main)
