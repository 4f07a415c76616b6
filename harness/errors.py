"""Errors whose messages are written for the user of the benchmark."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from difflib import get_close_matches


class HarnessError(Exception):
    """Bad input: the message names the file or key, the value found, and the fix."""


NOT_FINITE = "not finite"
"""What the message says where a loss term of a training is no number."""


class StorageError(HarnessError):
    """The disk refused a write: it is full, over its quota, or read-only."""


class MethodFailure(HarnessError):
    """A method broke its contract or raised an exception; the other methods still run."""


def suggest(name: object, known: Collection[str]) -> str:
    """Return the nearest known name as a question, or all known names if none is near."""
    similar = get_close_matches(str(name), known, n=1)
    return f"did you mean {similar[0]!r}?" if similar else f"there are: {', '.join(known)}"


@contextmanager
def as_method_failure(doing: str) -> Iterator[None]:
    """Turn any exception of a method's code into a `MethodFailure` that begins with `doing`.

    Raises:
        MethodFailure: for every exception raised inside; one that the method itself raised as
            `MethodFailure` passes unchanged.
    """
    try:
        yield
    except MethodFailure:
        raise
    except Exception as error:
        raise MethodFailure(f"{doing}: {type(error).__name__}: {error}") from error
