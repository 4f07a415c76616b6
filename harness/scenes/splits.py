"""Which scene is for training and which for testing: one CSV file per data set."""

import csv
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from harness.errors import HarnessError, suggest

FOLDER = Path(__file__).resolve().parents[1] / "datasets"


def split_file(dataset: str) -> Path:
    """Return the table beside an adapter: one row per scene, with its split."""
    return FOLDER / dataset / "split.csv"


def read_split(dataset: str) -> list[dict[str, str]]:
    """Return the rows of the table of a data set's scenes."""
    with split_file(dataset).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(line for line in stream if not line.startswith("#")))


def choose_split(
    dataset: str,
    train: Sequence[str] | None,
    test: Sequence[str] | None,
    pairs: Sequence[str] | None = None,
) -> list[tuple[str, str]]:
    """Return the (scene, split) pairs of a data set whose table is `split.csv`, as `divide`."""
    every = {row["scene"]: row["split"] for row in read_split(dataset)}
    place = split_file(dataset)
    chosen = {name: every[name] for name in restrict(dataset, list(every), pairs, place)}
    return divide(dataset, chosen, train, test, place)


def restrict(
    dataset: str, known: Sequence[str], pairs: Sequence[str] | None, place: Path
) -> list[str]:
    """Return the names that take part: those of the option `pairs`, else all.

    Raises:
        HarnessError: for a name that `place` does not list.
    """
    for name in pairs or ():
        if name not in known:
            raise HarnessError(
                f"{dataset}: `pairs`: no pair {name!r} in {place}; {suggest(name, known)}"
            )
    return list(known) if pairs is None else list(dict.fromkeys(pairs))


def divide(
    dataset: str,
    every: Mapping[str, str],
    train: Sequence[str] | None,
    test: Sequence[str] | None,
    place: Path,
) -> list[tuple[str, str]]:
    """Return (scene, split) pairs, training first: the data set's own, or a user's lists.

    Args:
        dataset: name for messages.
        every: the published split of every scene, `train` or `test`.
        train: scenes to train on; by default those of `every` that are not in `test`.
        test: scenes to test on; by default those of `every` that are not in `train`.
        place: the table of scenes, for messages.

    Raises:
        HarnessError: as `check_split`.
    """
    taken = {*(train or ()), *(test or ())}
    chosen = {
        split: names
        if names is not None
        else [name for name in every if every[name] == split and name not in taken]
        for split, names in (("train", train), ("test", test))
    }
    check_split(dataset, every, chosen["train"], chosen["test"], place)
    return [(name, split) for split, names in chosen.items() for name in names]


def check_split(
    dataset: str, known: Collection[str], train: Sequence[str], test: Sequence[str], place: Path
) -> None:
    """Refuse lists of scenes that are not a division of the `known` ones into training and test.

    Raises:
        HarnessError: for a scene that `place` does not list, one that is named twice, or an empty
            test list.
    """
    for key, names in (("train", train), ("test", test)):
        unknown = sorted(set(names) - set(known))
        if unknown:
            raise HarnessError(
                f"{dataset}: `{key}` names {unknown}, not found in {place}; give names without "
                "extension, those of digits in quotes"
            )
        if len(set(names)) != len(names):
            raise HarnessError(f"{dataset}: a scene is named twice in `{key}`; name it once")
    both = sorted(set(train) & set(test))
    if both:
        raise HarnessError(f"{dataset}: {both} stand in `train` and in `test`; choose one")
    if not test:
        raise HarnessError(f"{dataset}: `test` is empty; name at least one scene")
