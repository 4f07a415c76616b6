"""Renders the HTML page: `python -m reports.stages.report --help`."""

from harness.cli import run
from harness.disk.files import write_text
from reports.stages.common import report_arguments


def main() -> None:
    """Write the page, its figures and its tiles."""
    plan, output = report_arguments(main.__doc__ or "", "file of the page, index.html")
    # They load pandas, which the help of this stage does without.
    from reports.page import render
    from reports.run import read_report

    for name in ("figures", "tiles"):
        # The rule declares both folders as outputs, so they must exist even if they stay empty.
        (output.parent / name).mkdir(parents=True, exist_ok=True)
    write_text(output, render(read_report(plan), output.parent))


if __name__ == "__main__":
    run(main)
