"""Writes the tables as CSV, LaTeX and Markdown: `python -m reports.stages.tables --help`."""

from harness.cli import run
from harness.disk.files import write_text
from reports.stages.common import report_arguments


def main() -> None:
    """Write every table and `index.csv`, which lists them."""
    plan, output = report_arguments(main.__doc__ or "", "folder of the tables")
    # They load pandas, which the help of this stage does without.
    from reports.formats import to_csv, to_latex, to_markdown
    from reports.run import read_report

    tables = read_report(plan).tables
    for table in tables:
        write_text(output / f"{table.identifier}.csv", to_csv(table))
        write_text(output / f"{table.identifier}.tex", to_latex(table))
        write_text(output / f"{table.identifier}.md", to_markdown(table))
    lines = [f"{table.number or ''},{table.dataset},{table.identifier}" for table in tables]
    write_text(output / "index.csv", "\n".join(["table,dataset,file", *lines, ""]))


if __name__ == "__main__":
    run(main)
