"""Tables as files: CSV for programs, LaTeX (booktabs) for papers."""

import csv
import math
from io import StringIO

from reports.tables import Table, TableRow, heading

LATEX_SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
}


def to_csv(table: Table) -> str:
    """One line a row; ours, printed value, rank and undefined count of every metric."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    parts = ("ours", "printed", "rank", "undefined")
    columns = [f"{metric}_{part}" for metric in table.metrics for part in parts]
    writer.writerow(["row", "title", "stretch", "control", "seeds", *columns, "failure"])
    for row in table.rows:
        values = [
            value
            for cell in row.cells
            for value in (
                "" if math.isnan(cell.ours) else repr(cell.ours),
                cell.printed,
                cell.rank or "",
                cell.undefined,
            )
        ]
        seeds = 0 if row.missing else row.seeds
        writer.writerow(
            [row.name, row.title, row.stretch, row.control, seeds, *values, status(row)]
        )
    return text.getvalue()


def status(row: TableRow) -> str:
    """Why a row has no values of ours, or nothing."""
    return "not run" if row.missing else row.failure


def to_latex(table: Table) -> str:
    """A booktabs table: ours, and the printed value in gray; best bold, second underlined."""
    columns = "l" + "rr" * len(table.metrics)
    heads = " & ".join(
        rf"\multicolumn{{2}}{{c}}{{{latex_text(heading(metric))}}}" for metric in table.metrics
    )
    halves = " & ".join(["ours & paper"] * len(table.metrics))
    lines = [
        r"% needs \usepackage{booktabs}",
        rf"% {table.caption} ({table.dataset})".replace("\n", " "),
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        rf"Method & {heads} \\",
        rf" & {halves} \\",
        r"\midrule",
    ]
    controls = False
    for row in table.rows:
        if row.control and not controls:
            lines.append(r"\midrule")
            controls = True
        lines.append(_latex_row(row))
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def _latex_row(row: TableRow) -> str:
    title = row.title if row.stretch == "none" else f"{row.title} ({row.stretch})"
    cells = []
    for cell in row.cells:
        ours = status_mark(row) if math.isnan(cell.ours) else f"{cell.ours:.4f}"
        style = {1: r"\textbf{%s}", 2: r"\underline{%s}"}.get(cell.rank, "%s")
        cells += [style % ours, cell.printed or "--"]
    return " & ".join([latex_text(title), *cells]) + r" \\"


def status_mark(row: TableRow) -> str:
    """What stands in a cell that has no value."""
    if row.missing:
        return "not run"
    return "failed" if row.failure else "n/a"


def latex_text(text: str) -> str:
    """Escape what LaTeX would read as markup."""
    return "".join(LATEX_SPECIAL.get(character, character) for character in text)
