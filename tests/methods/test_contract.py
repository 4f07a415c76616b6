"""Each method folder keeps the contract; a new folder is found and tested automatically."""

import pytest

from harness.methods.spec import discover
from tests.helpers.contract import (
    check_folder_is_complete,
    check_leaves_no_trace,
    check_pictures_of_a_batch_are_independent,
    check_repeatable,
    check_shapes_and_values,
    check_training,
    check_writes_nothing_outside_its_folder,
)

METHODS = discover()


@pytest.fixture(params=[name for name, spec in METHODS.items() if spec.kind != "ablation"])
def spec(request):
    return METHODS[request.param]


def test_shapes_and_values(spec):
    check_shapes_and_values(spec)


def test_repeatable(spec):
    check_repeatable(spec)


def test_images_of_a_batch_are_independent(spec):
    check_pictures_of_a_batch_are_independent(spec)


def test_leaves_no_trace(spec):
    check_leaves_no_trace(spec)


def test_writes_nothing_outside_its_folder(spec, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_writes_nothing_outside_its_folder(spec, tmp_path)


def test_training(spec):
    if spec.train is None:
        pytest.skip("not trainable")
    check_training(spec)


def test_folder_is_complete(spec):
    check_folder_is_complete(spec)


def test_titles_are_distinct():
    titles = [spec.title for spec in METHODS.values()]
    assert len(set(titles)) == len(titles)
