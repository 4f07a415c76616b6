"""The published rule of a method: its arithmetic, its hook, and the row that it makes."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from harness.errors import MethodFailure
from harness.fusing.execution import fuse as fuse_job
from harness.fusing.job import FusingJob
from harness.fusing.publishing import Source, publish, saved
from harness.methods.spec import Published, discover
from harness.pixels import PUBLISHED, exact_luma
from harness.tiles.store import Pairs
from metrics.images import luma

CPU = torch.device("cpu")

FUSED = arrays(np.float32, (3, 4), elements=st.floats(-0.5, 1.5, width=32))
COLOURS = arrays(np.uint8, (3, 3, 4))


@settings(deadline=None)
@given(FUSED)
def test_without_stretch_the_image_is_clamped(fused):
    expected = np.uint8(np.clip(fused, 0, 1) * np.float32(255))
    assert np.array_equal(saved(Published(), [fused], [None])[0], expected)
    rounded = saved(Published(quantise="round"), [fused], [None])[0]
    assert np.array_equal(rounded, np.uint8(np.clip(fused, 0, 1) * np.float32(255) + 0.5))


@settings(deadline=None)
@given(FUSED, st.sampled_from(["truncate", "round"]))
def test_minmax_spans_all_levels(fused, quantise):
    found = saved(Published(stretch="minmax", quantise=quantise), [fused], [None])[0]
    if fused.max() == fused.min():
        assert not found.any()
        return
    exact = 255 * (fused.astype(float) - fused.min()) / (fused.max().astype(float) - fused.min())
    assert (found.min(), found.max()) == (0, 255)
    half = 0.5 if quantise == "round" else 0
    assert np.abs(found - np.floor(exact + half)).max() <= 1
    assert (
        np.abs(found + 0.5 - half - exact) <= 0.5 + 1e-3 + (0.5 if quantise == "truncate" else 0)
    ).all()


@settings(deadline=None)
@given(arrays(np.float32, (3, 4), elements=st.floats(0, 1.5, width=32)))
def test_max_keeps_black(fused):
    found = saved(Published(stretch="max", quantise="round"), [fused], [None])[0]
    assert found.max() == (255 if fused.max() > 0 else 0)
    assert not found[fused == 0].any()


@settings(deadline=None)
@given(FUSED, COLOURS)
def test_over_rgb_the_image_is_in_colour_and_keeps_its_luma(fused, rgb):
    found = saved(Published(over="rgb", quantise="round"), [fused], [rgb])[0]
    assert found.shape == (3, 3, 4)
    inside = ((found > 0) & (found < 255)).all(0)
    wanted = 255 * np.clip(fused, 0, 1)
    assert (np.abs(luma(found).astype(float) - wanted)[inside] <= 1.5).all()
    gray = saved(Published(over="rgb"), [fused], [None])[0]
    assert np.array_equal(gray, saved(Published(), [fused], [None])[0])


@settings(deadline=None)
@given(st.lists(FUSED, min_size=2, max_size=3))
def test_images_of_a_batch_share_minimum_and_maximum(batch):
    rule = Published(stretch="minmax", batch=3)
    together = saved(rule, batch, [None] * len(batch))
    side_by_side = saved(rule, [np.concatenate(batch)], [None])[0]
    assert np.array_equal(np.concatenate(together), side_by_side)


@settings(deadline=None)
@given(COLOURS)
def test_exact_luma_is_that_before_rounding(rgb):
    weights = np.array([0.299, 0.587, 0.114])
    exact = np.einsum("c,chw->hw", weights, rgb / 255)
    assert np.abs(exact_luma(rgb) - exact).max() < 1e-6
    assert np.abs(255 * exact_luma(rgb) - luma(rgb)).max() <= 0.5 + 1e-4


# Hooks of a method


class Hooked:
    """A method whose `publish` returns what it is given."""

    def __init__(self, image):
        self.image = image

    def publish(self, infrared, visible, rgb):
        if isinstance(self.image, Exception):
            raise self.image
        return self.image

    def fuse(self, infrared, visible):
        return torch.full_like(infrared, float("nan"))


def published_by(image, **source):
    gray = np.zeros((5, 6), np.float32)
    spec = replace(discover()["average"], published=Published())
    return publish(spec, Hooked(image), [Source("pair", gray, gray, None)], CPU)[0]


@pytest.mark.parametrize("shape", [(5, 6), (3, 5, 6), (4, 6)])
def test_a_hook_may_return_gray_colours_and_crops(shape):
    assert published_by(torch.zeros(shape, dtype=torch.uint8)).shape == shape


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (None, "no uint8 tensor"),
        (torch.zeros(5, 6), "no uint8 tensor"),
        (torch.zeros(1, 5, 6, dtype=torch.uint8), r"\(1, 5, 6\), expected"),
        (ValueError("no"), "pair: ValueError: no"),
    ],
)
def test_a_hook_that_fails_is_a_failure_of_the_method(image, message):
    with pytest.raises(MethodFailure, match=message):
        published_by(image)


def test_a_rule_over_an_output_that_is_not_finite_is_a_failure_of_the_method():
    class Nan:
        fuse = Hooked.fuse

    gray = np.zeros((5, 6), np.float32)
    spec = replace(discover()["average"], published=Published())
    with pytest.raises(MethodFailure, match=r"pair: .*not finite"):
        publish(spec, Nan(), [Source("pair", gray, gray, None)], CPU)


# Rows of tables

MODEL = """
import torch


class Model:
    def fuse(self, infrared, visible):
        return (infrared + 2 * visible) / 3


class Cropping(Model):
    def publish(self, infrared, visible, rgb):
        return rgb[0, :, :-1, :-1]
"""


def run_job(folder, entry, rule, tiles):
    """Fuse tiles with a method that states a rule; return its raw and its published stack."""
    (folder / "model.py").write_text(MODEL)
    base = replace(discover()["average"], name=folder.name, folder=folder, entry=f"model:{entry}")
    outputs = {name: folder / f"{name}.npy" for name in ("none", PUBLISHED)}
    names = [str(index) for index in range(len(tiles))]
    fuse_job(FusingJob(replace(base, published=rule), Pairs(tiles), names, outputs), lambda: None)
    return [np.load(path) for path in outputs.values()]


def test_a_published_row_lies_beside_the_raw_one(tmp_path):
    tiles = np.random.default_rng(0).integers(40, 200, (11, 5, 41, 48), dtype=np.uint8)
    rule = Published(stretch="minmax", quantise="round", batch=2)
    raw, found = run_job(tmp_path, "Model", rule, tiles)
    fused = (tiles[:, 3] + 2.0 * luma(tiles[:, :3])) / 3
    assert np.abs(raw - fused).max() <= 1
    for start in range(0, 11, 2):
        pair = fused[start : start + 2]
        expected = 255 * (pair - pair.min()) / (pair.max() - pair.min())
        assert np.abs(found[start : start + 2] - expected).max() <= 0.51


def test_a_row_of_images_that_the_authors_crop_repeats_the_last_line(tmp_path):
    tiles = np.random.default_rng(0).integers(0, 256, (2, 5, 41, 43), dtype=np.uint8)
    _, found = run_job(tmp_path, "Cropping", Published(), tiles)
    cropped = luma(tiles[:, :3, :-1, :-1])
    assert np.array_equal(found[:, :-1, :-1], cropped)
    assert np.array_equal(found[:, -1, :-1], cropped[:, -1])
    assert np.array_equal(found[:, :-1, -1], cropped[:, :, -1])
