"""Writes the tables as CSV, LaTeX and Markdown: `python -m reports.stages.tables --help`."""

from harness.cli import run
from harness.disk.files import write_text
from reports.stages.common import report_arguments


def main() -> None:
    """Write every table, `index.csv`, which lists them, and their record."""
    part = report_arguments("tables", main.__doc__ or "", "folder of the tables")
    output, path = part.output, part.output / "tables.json"
    record = part.record(path)
    # They load pandas, which the help of this stage does without.
    from reports.formats import to_csv, to_latex, to_markdown
    from reports.run import read_report

    tables = read_report(part.plan).tables
    texts = {}
    for table in tables:
        texts[output / f"{table.identifier}.csv"] = to_csv(table)
        texts[output / f"{table.identifier}.tex"] = to_latex(table)
        texts[output / f"{table.identifier}.md"] = to_markdown(table)
    lines = [f"{table.number or ''},{table.dataset},{table.identifier}" for table in tables]
    texts[output / "index.csv"] = "\n".join(["table,dataset,file", *lines, ""])
    for file, text in texts.items():
        write_text(file, text)
    record.write(path, list(texts))


if __name__ == "__main__":
    run(main)
