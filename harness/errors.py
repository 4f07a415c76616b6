"""The errors that a user of the benchmark is meant to read."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches


class HarnessError(Exception):
    """Bad input: the message names the file or key, the value found, and the fix."""


class StorageError(HarnessError):
    """The disk refused a write: it is full, over quota, or read-only."""


class MethodFailure(HarnessError):
    """A method broke its contract or raised; the run of the other methods goes on."""


def suggest(name: str, known: Iterable[str]) -> str:
    """Build the end of a message about an unknown name.

    Returns:
        "did you mean 'x'? known: a, b, x", without the question if no name is similar.
    """
    names = sorted(known)
    similar = get_close_matches(name, names, n=1)
    question = f"did you mean {similar[0]!r}? " if similar else ""
    return f"{question}known: {', '.join(names)}"


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
