"""Output for terminals and logs: progress, and tables of plain text."""

import sys
import time
from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")
SECONDS_BETWEEN_LINES = 20.0


def progress(items: Iterable[T], title: str, *, start: int = 0, unit: str = "it") -> Iterator[T]:
    """Yield `items` while showing how far the loop is on standard error.

    Args:
        items: what to loop over; one without a length has no total.
        title: of the bar or lines.
        start: items that an earlier run already finished.
        unit: of the items.
    """
    total = start + len(items) if isinstance(items, Sized) else None
    if sys.stderr.isatty():
        yield from tqdm(items, desc=title, total=total, initial=start, unit=unit)
        return
    began = last = time.monotonic()
    done = start
    for done, item in enumerate(items, start + 1):
        yield item
        now = time.monotonic()
        if now - last > SECONDS_BETWEEN_LINES:
            last = now
            minutes = (now - began) / (done - start) * ((total or done) - done) / 60
            left = f", about {minutes:.0f} min left" if total else ""
            print(f"{title}: {done}/{total or '?'}{left}", file=sys.stderr, flush=True)
    print(f"{title}: {done} done", file=sys.stderr, flush=True)


def aligned(rows: Sequence[Sequence[str]], numeric: Sequence[int] = ()) -> list[str]:
    """Lay out rows in columns as wide as their longest cell.

    Args:
        rows: the first is the heading; all have the same length.
        numeric: columns whose cells end at the right border.

    Returns:
        One line a row, without spaces at its end.
    """
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            cell.rjust(width) if i in numeric else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
