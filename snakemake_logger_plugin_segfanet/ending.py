"""What a finished run leaves for the reader: its first table as text, and where the page lies."""

import csv
import webbrowser
from collections.abc import Iterator
from pathlib import Path

from harness.terminal import aligned
from snakemake_logger_plugin_segfanet.console import Console

PAGE = Path("results/report/index.html")
INDEX = Path("results/tables/index.csv")


def finish(console: Console, *, open_page: bool) -> None:
    """Write the first table and the address of the page, which a browser opens if wanted.

    Nothing is written if the targets of the run did not include the page.
    """
    if not PAGE.is_file():
        return
    page = PAGE.resolve()
    console.say("\n".join(["", *_table(), ""]))
    address = page.as_uri()
    if console.is_terminal:
        console.say(f"Report: \x1b]8;;{address}\x1b\\{address}\x1b]8;;\x1b\\")
    else:
        console.say(f"Report: {page}")
    if open_page and not webbrowser.open(address):
        console.say("No browser was found; open this file in one.", "warning")


def _table() -> Iterator[str]:
    """Yield the raw rows of the first table: our values, or why there are none."""
    with INDEX.open(encoding="utf-8", newline="") as stream:
        first = next(csv.DictReader(stream), None)
    if first is None:
        return
    path = INDEX.with_name(f"{first['file']}.csv")
    with path.open(encoding="utf-8", newline="") as stream:
        rows = [
            row
            for row in csv.DictReader(stream)
            if row["stretch"] == "none" and row["failure"] != "not run"
        ]
    if not rows:
        return
    metrics = [name.removesuffix("_ours") for name in rows[0] if name.endswith("_ours")]
    heading = [first["dataset"], *(metric.upper() for metric in metrics)]
    cells = [heading, *([row["title"], *_values(row, metrics)] for row in rows)]
    yield from aligned(cells, numeric=range(1, len(heading)))
    yield f"(our means over all test tiles; all rows and tables: {INDEX.parent})"


def _values(row: dict[str, str], metrics: list[str]) -> Iterator[str]:
    for metric in metrics:
        value = row[f"{metric}_ours"]
        yield f"{float(value):.4f}" if value else ("failed" if row["failure"] else "n/a")
