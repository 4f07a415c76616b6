"""Writes the tables as CSV, LaTeX and Markdown: `python -m reports.stages.tables --help`."""

from pathlib import Path
from typing import TYPE_CHECKING

from harness.disk.files import write_text
from reports.stages.common import Written, run_stage

if TYPE_CHECKING:
    from reports.run import Report


def write_tables(report: "Report", output: Path) -> Written:
    """Write every table, `index.csv`, which lists them, and their record."""
    from reports.formats import to_csv, to_latex, to_markdown

    texts: dict[Path, str] = {}
    for table in report.tables:
        for ending, text in (("csv", to_csv), ("tex", to_latex), ("md", to_markdown)):
            texts[output / f"{table.identifier}.{ending}"] = text(table)
    lines = [f"{table.number or ''},{table.dataset},{table.identifier}" for table in report.tables]
    texts[output / "index.csv"] = "\n".join(["table,dataset,file", *lines, ""])
    for path, written in texts.items():
        write_text(path, written)
    return {output / "tables.json": list(texts)}


if __name__ == "__main__":
    run_stage("tables", write_tables, "folder of the tables")
