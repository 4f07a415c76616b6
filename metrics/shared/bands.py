"""Bands of rows, which bound the memory of a metric that is a mean over pixels or windows."""

from collections.abc import Iterator

ROWS = 256


def bands(height: int, overlap: int = 0) -> Iterator[slice]:
    """Cut rows into bands that share `overlap` rows with the next; windows of overlap + 1 fit once.

    A window of n rows lies in exactly one band if overlap is n − 1 and it is counted where it fits
    entirely.
    """
    for start in range(0, height - overlap, ROWS):
        yield slice(start, min(start + ROWS + overlap, height))
