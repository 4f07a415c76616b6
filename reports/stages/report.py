"""Renders the HTML page: `python -m reports.stages.report --help`."""

from harness.cli import run
from harness.disk.files import write_text
from reports.stages.common import report_arguments


def main() -> None:
    """Write the page, its figures, its tiles and its record."""
    part = report_arguments("report", main.__doc__ or "", "file of the page, index.html")
    output, path = part.output, part.output.with_suffix(".json")
    record = part.record(path)
    # They load pandas, which the help of this stage does without.
    from reports.page import render
    from reports.run import read_report

    for name in ("figures", "tiles"):
        # The rule declares both folders as outputs, so they must exist even if they stay empty.
        (output.parent / name).mkdir(parents=True, exist_ok=True)
    write_text(output, render(read_report(part.plan), output.parent))
    parts = [file for name in ("figures", "tiles") for file in (output.parent / name).rglob("*")]
    record.write(path, [output, *sorted(file for file in parts if file.is_file())])


if __name__ == "__main__":
    run(main)
