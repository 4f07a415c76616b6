"""Renders the HTML page: `python -m reports.stages.report --help`."""

from pathlib import Path
from typing import TYPE_CHECKING

from harness.disk.files import write_text
from reports.stages.common import Written, run_stage

if TYPE_CHECKING:
    from reports.run import Report


def write_page(report: "Report", output: Path) -> Written:
    """Write the page, its figures, its tiles and its record."""
    from reports.page import render

    for name in ("figures", "tiles"):
        # The rule declares both folders as outputs, so they must exist even if they stay empty.
        (output.parent / name).mkdir(parents=True, exist_ok=True)
    write_text(output, render(report, output.parent))
    parts = [file for name in ("figures", "tiles") for file in (output.parent / name).rglob("*")]
    return {output.with_suffix(".json"): [output, *sorted(filter(Path.is_file, parts))]}


if __name__ == "__main__":
    run_stage("report", write_page, "file of the page, index.html")
