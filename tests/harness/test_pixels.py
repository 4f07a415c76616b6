"""Luma, recomposition, and the output stretches."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from harness.pixels import STRETCHES, quantise, recompose
from metrics.images import luma
from tests.helpers.shared_data import SHARED, need

PICTURES = arrays(np.uint8, (3, 3, 5, 4))


def test_luma_equals_the_field_s_gray_conversion():
    path = need(SHARED / "golden_metrics" / "triples.npz")
    with np.load(path) as fixture:
        rgb = np.moveaxis(fixture["gray_fixture__rgb"], 2, 0)
        readers = [name for name in fixture.files if name.startswith("gray_fixture__")]
        for name in set(readers) - {"gray_fixture__rgb"}:
            np.testing.assert_array_equal(luma(rgb), fixture[name], err_msg=name)


@given(PICTURES)
def test_luma_of_gray_is_itself_and_stays_between_the_channels(rgb):
    gray = np.repeat(rgb[:, :1], 3, axis=1)
    np.testing.assert_array_equal(luma(gray), gray[:, 0])
    assert (luma(rgb) <= rgb.max(1)).all()
    assert (luma(rgb) >= rgb.min(1)).all()


@given(PICTURES)
def test_recomposing_the_visible_luma_gives_the_visible_picture(rgb):
    exact = np.einsum("c,nchw->nhw", [0.299, 0.587, 0.114], rgb / 255).astype(np.float32)
    np.testing.assert_allclose(recompose(exact, rgb), rgb / 255, atol=1e-5)


def test_quantise_truncates_and_clamps():
    values = np.array([-0.1, 0.0, 0.5, 0.9999, 1.0, 1.2], np.float32)
    np.testing.assert_array_equal(quantise(values), [0, 0, 127, 254, 255, 255])


def fused_and_rgb(n=5, seed=0):
    rng = np.random.default_rng(seed)
    fused = rng.uniform(0.2, 0.7, (n, 6, 7)).astype(np.float32)
    rgb = rng.integers(60, 160, (n, 3, 6, 7), dtype=np.uint8)
    return fused, rgb


def test_none_is_the_quantised_output():
    fused, rgb = fused_and_rgb()
    np.testing.assert_array_equal(STRETCHES["none"](fused, rgb), quantise(fused))


def test_minmax_spans_every_tile():
    stretched = STRETCHES["minmax"](*fused_and_rgb())
    assert (stretched.min((1, 2)) == 0).all()
    assert (stretched.max((1, 2)) == 255).all()


def reference_rgb(fused, rgb, groups):
    out = []
    for group in groups:
        colour = recompose(fused[group], rgb[group]).astype(np.float64)
        colour = (colour - colour.min()) / (colour.max() - colour.min())
        out.append(luma((colour * 255).astype(np.uint8)))
    return np.concatenate(out)


@pytest.mark.parametrize(
    ("name", "groups"),
    [
        ("minmax_rgb", [[0], [1], [2], [3], [4]]),
        ("minmax_rgb_batch2", [[0, 1], [2, 3], [4]]),
    ],
)
def test_rgb_stretches_span_the_recomposed_picture_of_their_group(name, groups):
    fused, rgb = fused_and_rgb()
    found = STRETCHES[name](fused, rgb).astype(int)
    assert np.abs(found - reference_rgb(fused, rgb, groups)).max() <= 1


@settings(max_examples=20)
@given(st.sampled_from(sorted(STRETCHES)), st.floats(0, 1))
def test_flat_images_survive_every_stretch(name, level):
    fused = np.full((2, 5, 5), level, np.float32)
    rgb = np.full((2, 3, 5, 5), 100, np.uint8)
    stretched = STRETCHES[name](fused, rgb)
    assert stretched.dtype == np.uint8
    assert np.ptp(stretched) == 0
