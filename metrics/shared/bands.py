"""Bands of rows, which bound the memory of a metric that is a mean over pixels or windows."""

from collections.abc import Iterator

ROWS = 256


def bands(height: int, overlap: int = 0) -> Iterator[slice]:
    """Cut `height` rows into bands, each of which shares `overlap` rows with the next.

    A window of overlap + 1 rows fits entirely into exactly one band.
    """
    for start in range(0, height - overlap, ROWS):
        yield slice(start, min(start + ROWS + overlap, height))
