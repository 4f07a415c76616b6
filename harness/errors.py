"""The errors that a user of the benchmark is meant to read."""

from collections.abc import Iterator
from contextlib import contextmanager


class HarnessError(Exception):
    """Bad input: the message names the file or key, the value found, and the fix."""


class StorageError(HarnessError):
    """The disk refused a write: it is full, over quota, or read-only."""


class MethodFailure(HarnessError):
    """A method broke its contract or raised; the run of the other methods goes on."""


@contextmanager
def blamed(doing: str) -> Iterator[None]:
    """Turn whatever a method's code raises into its failure, headed by what it was doing.

    Raises:
        MethodFailure: for anything raised inside; one that the method raised itself stays.
    """
    try:
        yield
    except MethodFailure:
        raise
    except Exception as error:
        raise MethodFailure(f"{doing}: {type(error).__name__}: {error}") from error
