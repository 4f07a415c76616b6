"""Progress that suits its reader: a bar on a terminal, sparse plain lines in a log."""

import sys
import time
from collections.abc import Iterable, Iterator, Sized
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
    last = time.monotonic()
    done = start
    for done, item in enumerate(items, start + 1):
        yield item
        if time.monotonic() - last > SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            print(f"{title}: {done}/{total or '?'}", file=sys.stderr, flush=True)
    print(f"{title}: {done} done", file=sys.stderr, flush=True)
