"""Writes the tables as CSV, LaTeX and Markdown: `python -m reports.stages.tables --help`."""

from pathlib import Path
from typing import TYPE_CHECKING

from harness.disk.files import write_text
from reports.stages.common import run_stage

if TYPE_CHECKING:
    from reports.run import Report


def write_tables(report: "Report", output: Path) -> None:
    """Write every table and `index.csv`, which lists them."""
    from reports.formats import to_csv, to_latex, to_markdown

    for table in report.tables:
        for ending, text in (("csv", to_csv), ("tex", to_latex), ("md", to_markdown)):
            write_text(output / f"{table.identifier}.{ending}", text(table))
    lines = [f"{table.number or ''},{table.dataset},{table.identifier}" for table in report.tables]
    write_text(output / "index.csv", "\n".join(["table,dataset,file", *lines, ""]))


if __name__ == "__main__":
    run_stage(write_tables, "folder of the tables")
