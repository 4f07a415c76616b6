"""Which scene is for training and which for testing: one CSV file a data set."""

import csv
from collections.abc import Sequence
from pathlib import Path

from harness.errors import HarnessError

FOLDER = Path(__file__).parent


def split_file(dataset: str) -> Path:
    """Return the file that holds the division of a data set."""
    return FOLDER / f"{dataset}.csv"


def choose_split(
    dataset: str, train: Sequence[str] | None, test: Sequence[str] | None
) -> list[tuple[str, str]]:
    """Return (scene, split) pairs, training first: the data set's own, or a user's lists.

    Args:
        dataset: name of the CSV file.
        train: scenes to train on instead; by default the file's, without those of `test`.
        test: scenes to test on instead; by default the file's, without those of `train`.

    Raises:
        HarnessError: for an unknown scene, one in both lists, or an empty test list.
    """
    path = split_file(dataset)
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(line for line in stream if not line.startswith("#")))
    every = {row["scene"]: row["split"] for row in rows}
    lists = {"train": train, "test": test}
    for key, names in lists.items():
        unknown = sorted(set(names or ()) - set(every))
        if unknown:
            raise HarnessError(f"{dataset}: `{key}` names {unknown}, not listed in {path}")
    both = sorted(set(train or ()) & set(test or ()))
    if both:
        raise HarnessError(f"{dataset}: {both} stand in `train` and in `test`")
    taken = {*(train or ()), *(test or ())}
    chosen = [
        (name, split)
        for split, names in lists.items()
        for name in (names if names is not None else _default(every, split, taken))
    ]
    if not any(split == "test" for _, split in chosen):
        raise HarnessError(f"{dataset}: `test` is empty; name at least one scene")
    if len(set(chosen)) != len(chosen):
        raise HarnessError(f"{dataset}: a scene is named twice in `train` or `test`")
    return chosen


def _default(every: dict[str, str], split: str, taken: set[str]) -> list[str]:
    return [name for name, given in every.items() if given == split and name not in taken]
