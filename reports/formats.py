"""Tables as text: CSV for programs, LaTeX (booktabs) for papers, Markdown for other readers."""

import csv
import math
from collections.abc import Callable
from io import StringIO

from metrics.texts import csv_cell, printable
from reports.learning import UNLEARNED
from reports.rows import Cell, TableRow
from reports.tables import Table, heading

MARKDOWN_SPECIAL = "\\`*_[]|#>~"
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
LATEX_MARKS = ("%s", r"\textbf{%s}", r"\underline{%s}")
MARKDOWN_MARKS = ("%s", "**%s**", "*%s*")
"""Format of a value by its rank: neither, best, second best."""
PARTS: dict[str, Callable[[Cell], float | str]] = {
    "ours": lambda cell: cell.ours,
    "low": lambda cell: cell.interval.low,
    "high": lambda cell: cell.interval.high,
    "printed": lambda cell: cell.printed,
    "difference": lambda cell: cell.difference,
    "tolerance": lambda cell: cell.judgement.tolerance,
    "verdict": lambda cell: cell.judgement.verdict,
    "decide": lambda cell: cell.judgement.decide,
    "rank": lambda cell: cell.rank or "",
    "printed_rank": lambda cell: cell.printed_rank or "",
    "undefined": lambda cell: cell.undefined,
    "seed_sd": lambda cell: cell.spread,
    "effect": lambda cell: cell.test.effect if cell.test else "",
    "p_holm": lambda cell: cell.test.adjusted if cell.test else "",
}
"""The columns per metric of a CSV table, and their values."""


def to_csv(table: Table) -> str:
    """Return CSV in full precision: one line per row, and the columns of `PARTS` per metric.

    low and high are the ends of the 95 % interval, difference is (ours − printed) / |printed|;
    tolerance, verdict and decide judge it (docs/statistics.md); rank and printed_rank are 1 for
    the best and 2 for the second best; effect and p_holm compare with SegFANet.
    """
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = [f"{metric}_{part}" for metric in table.metrics for part in PARTS]
    about = ["row", "title", "stretch", "control", "unranked", "seeds"]
    writer.writerow([*about, *columns, "failure", "unlearned", "measured"])
    for row in table.rows:
        values = [_plain(part(cell)) for cell in row.cells for part in PARTS.values()]
        seeds = 0 if row.missing else row.seeds
        status = "not run" if row.missing else row.failure
        kind = [row.stretch, row.control, row.unranked]
        notes = map(csv_cell, [status, row.unlearned, table.measured])
        writer.writerow([row.name, csv_cell(row.title), *kind, seeds, *values, *notes])
    return text.getvalue()


def _plain(value: float | str) -> float | str:
    if isinstance(value, str):
        return csv_cell(value)
    return "" if isinstance(value, float) and not math.isfinite(value) else value


def to_latex(table: Table) -> str:
    """Return a booktabs table: ours ± half the interval, printed; best bold, second underlined.

    Both columns have their own marks: ours among our ranked rows, the paper's among its own.
    """
    columns = "ll" + ("rr" if table.paper else "r") * len(table.metrics)
    lines = [
        r"% needs \usepackage{booktabs}",
        _latex_comment(f"{table.caption} ({table.dataset}); ours ± half the 95 % interval"),
        _latex_comment(table.measured),
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        *_latex_heads(table),
        r"\midrule",
    ]
    for above, row in zip((None, *table.rows), table.rows, strict=False):
        if row.control and not (above and above.control):
            lines.append(r"\midrule")
        lines.append(_latex_row(table, row))
    notes = [_latex_comment(f"{i}: {note}") for i, note in enumerate(table.footnotes, 1)]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", *notes, ""])


def _latex_comment(text: str) -> str:
    """Return a comment on one line: TeX ends it at any line break, and would run what follows."""
    return f"% {' '.join(printable(text).split())}"


def _latex_heads(table: Table) -> list[str]:
    heads = [latex_text(heading(metric)) for metric in table.metrics]
    if not table.paper:
        return [" & ".join(["Method", "Output", *heads]) + r" \\"]
    wide = [rf"\multicolumn{{2}}{{c}}{{{head}}}" for head in heads]
    return [
        " & ".join(["Method", "Output", *wide]) + r" \\",
        " & & " + " & ".join(["ours & paper"] * len(heads)) + r" \\",
    ]


def _latex_row(table: Table, row: TableRow) -> str:
    cells = []
    for cell in row.cells:
        margin = rf" $\pm$ {half_width(cell)}" if cell.interval.known else ""
        value = LATEX_MARKS[cell.rank] % shown(row, cell)
        cells.append(value + margin + warning(row, cell))
        if table.paper:
            cells.append(LATEX_MARKS[cell.printed_rank] % (cell.printed or "--"))
    return " & ".join([latex_text(row.title), latex_text(row.output), *cells]) + r" \\"


def to_markdown(table: Table) -> str:
    """Return a Markdown table: ours ± half the interval (printed); best bold, second italic."""
    heads = [heading(metric) for metric in table.metrics]
    lines = [
        f"{markdown_text(table.title)} (`{table.dataset}`); ours ± half the 95 % interval"
        + (" (printed)" if table.paper else "")
        + (f"; {table.measured}" if table.measured else ""),
        "",
        "| " + " | ".join(["Method", "Output", *heads]) + " |",
        "|" + "|".join(["---", "---", *["---:"] * len(heads)]) + "|",
    ]
    lines += [_markdown_row(table, row) for row in table.rows]
    notes = [f"{i}. {markdown_text(note)}" for i, note in enumerate(table.footnotes, 1)]
    return "\n".join([*lines, "", *notes, ""])


def _markdown_row(table: Table, row: TableRow) -> str:
    marks = "".join(f"[{mark}]" for mark in table.marks(row))
    kind = f" ({row.unranked})" if row.unranked else ""
    cells = []
    for cell in row.cells:
        margin = f" ± {half_width(cell)}" if cell.interval.known else ""
        printed = f" ({MARKDOWN_MARKS[cell.printed_rank] % cell.printed})" if cell.printed else ""
        value = MARKDOWN_MARKS[cell.rank] % shown(row, cell)
        cells.append(value + margin + warning(row, cell) + printed)
    title = f"{markdown_text(row.title)}{kind} {marks}".strip()
    return "| " + " | ".join([title, row.output, *cells]) + " |"


def markdown_text(text: str) -> str:
    """Escape what Markdown and its HTML read as markup, and put the text on one line."""
    escaped = "".join(f"\\{c}" if c in MARKDOWN_SPECIAL else c for c in printable(text))
    return " ".join(escaped.replace("&", "&amp;").replace("<", "&lt;").split())


def shown(row: TableRow, cell: Cell) -> str:
    """Return our value with four decimals, or why there is none."""
    return status_mark(row) if math.isnan(cell.ours) else f"{cell.ours:.4f}"


def warning(row: TableRow, cell: Cell) -> str:
    """Return what follows a value of a network that did not learn; "" for others."""
    return f" ({UNLEARNED})" if row.unlearned and not math.isnan(cell.ours) else ""


def half_width(cell: Cell) -> str:
    """Return half the width of the interval with two significant digits."""
    return f"{(cell.interval.high - cell.interval.low) / 2:.2g}"


def status_mark(row: TableRow) -> str:
    """Return the text of a cell that has no value."""
    if row.missing:
        return "not run"
    if row.unlearned:
        return UNLEARNED
    return "failed" if row.failure else "n/a"


def latex_text(text: str) -> str:
    """Escape what LaTeX reads as markup, and put the text on one line."""
    line = " ".join(printable(text).split())
    return "".join(LATEX_SPECIAL.get(character, character) for character in line)
