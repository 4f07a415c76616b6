"""Compares both ways to the scores, for methods and sets: `python -m tests.equality [SET ...]`.

On pairs of every set whose samples are at hand, each method's values by the workflow's stages must
equal those of `fuse --gray` and `score`, to the last bit. A line per set and method is printed, and
the exit status is 1 if any differs.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import pytest
import torch

from tests.helpers.equality import METHODS, check_equal, prepare_set, weights_of
from tests.helpers.samples import SETS, sample_pairs

KINDS = {"--mirror": "authors' weights", "--checkpoint": "random weights", None: "no weights"}


def compare(monkeypatch, folder, method):
    """Compare both ways for one method on a prepared set; return what to print."""
    start = time.process_time()
    weights = weights_of(method, folder)
    kind = KINDS[weights[0] if weights else None]
    values = check_equal(monkeypatch, folder, method, weights, folder / method)
    return f"{values} values equal, {time.process_time() - start:.0f} s, {kind}"


def main():
    parser = argparse.ArgumentParser(description="Compare both ways to the scores.")
    parser.add_argument("sets", nargs="*", default=list(SETS), help="data sets; default all")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), help="default all")
    parser.add_argument("--pairs", type=int, default=1, help="pairs per set; default 1")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    failed = False
    for name in arguments.sets:
        with tempfile.TemporaryDirectory() as place, pytest.MonkeyPatch.context() as patch:
            folder = Path(place)
            prepare_set(patch, folder, name, sample_pairs(name, arguments.pairs))
            for method in arguments.methods:
                try:
                    line = compare(patch, folder, method)
                except (AssertionError, SystemExit) as error:
                    failed, line = True, f"DIFFERENT: {error}"
                print(f"{name:14} {method:18} {line}", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
