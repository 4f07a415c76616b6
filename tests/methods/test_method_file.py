"""What a method.yaml says beside its class: hashes, training data, sizes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.disk.schema import check
from harness.errors import HarnessError
from harness.methods.contract import extended
from harness.methods.spec import MethodFile, discover

BASE = {"name": "x", "title": "X", "entry": "model:X"}
FILE = {"file": "x.pth", "licence": "MIT"}


def refused(message, **keys):
    with pytest.raises(HarnessError, match=message):
        check(MethodFile, {**BASE, **keys}, "method.yaml")


def test_a_weight_file_needs_a_hash_of_either_kind():
    check(MethodFile, {**BASE, "weights": {**FILE, "git_blob": "0" * 40}}, "method.yaml")
    check(MethodFile, {**BASE, "weights": {**FILE, "sha256": "0" * 64}}, "method.yaml")
    refused("weights.official: .* expected `sha256` or `git_blob`", weights=FILE)
    refused("git_blob: found '0+', expected 40 hexad", weights={**FILE, "git_blob": "0" * 64})


def test_training_data_are_families_by_name():
    stated = {"certain": ["tno"], "possible": ["roadscene"], "pairs": {"tno": ["01", "02"]}}
    weights = {**FILE, "git_blob": "0" * 40, "trained_on": stated}
    method = check(MethodFile, {**BASE, "weights": weights}, "method.yaml")
    assert method.weights["official"]["trained_on"]["pairs"] == {"tno": ("01", "02")}
    for wrong in ("tno", {"surely": ["tno"]}, {"certain": ["TNO 42"]}, {"pairs": ["01"]}):
        refused("trained_on", weights={**weights, "trained_on": wrong})


def test_a_published_rule_has_known_words_only():
    rule = {"luma": "exact", "stretch": "max", "over": "rgb", "batch": 2, "quantise": "round"}
    assert check(MethodFile, {**BASE, "published": rule}, "method.yaml").published.batch == 2
    assert check(MethodFile, {**BASE, "published": {}}, "method.yaml").published.stretch == "none"
    refused("did you mean 'stretch'", published={"strech": "max"})
    for wrong in ({"stretch": "mean"}, {"over": "hsv"}, {"batch": 0}, {"luma": "r"}, [], "minmax"):
        refused("published", published=wrong)
    refused("size_multiple: found 0", size_multiple=0)


def test_files_of_one_name_lie_in_folders_of_their_own():
    tardal = discover()["tardal"]
    entries = {year: {**FILE, "sha256": year * 64} for year in ("1", "2")}
    spec = replace(tardal, weights={f"y{year}": entry for year, entry in entries.items()})
    folders = [spec.weight_folder(entry) for entry in spec.weight_files.values()]
    assert folders == [Path("weights/tardal/y1"), Path("weights/tardal/y2")]
    assert tardal.weight_folder(tardal.weight_files["ct"]) == Path("weights/tardal")


@settings(deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 5))
def test_any_size_is_extended_by_reflection_and_cropped_back(height, width, multiple):
    image = torch.arange(2.0 * height * width).view(2, 1, height, width)
    seen = []

    def fuse(infrared, visible):
        seen.append(infrared)
        return infrared + visible

    assert torch.equal(extended(fuse, multiple)(image, image), 2 * image)
    added = [(0, 0), (0, 0), (0, -height % multiple), (0, -width % multiple)]
    assert np.array_equal(seen[0], np.pad(image, added, mode="reflect"))
