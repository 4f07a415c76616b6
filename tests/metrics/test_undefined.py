"""Undefined values are NaN, and unusable arrays are refused by name."""

import os
import subprocess
import sys

import numpy as np
import pytest

from metrics import METRICS, MetricError, score, score_methods
from metrics.dialects import DIALECTS
from metrics.registry import PAPER, VARIANTS


@pytest.fixture(params=[True, False], ids=["compiled", "plain"])
def compiled(request):
    return request.param


@pytest.fixture
def triple():
    rng = np.random.default_rng(11)
    return [rng.integers(0, 256, (3, 180, 184), dtype=np.uint8) for _ in range(3)]


def test_fused_equal_to_a_source_has_no_scd(triple, compiled):
    _, infrared, visible = triple
    for fused in (infrared, visible, visible // 2 + 5):
        scd = score(fused, infrared, visible, names=("scd",), compiled=compiled)["scd"]
        assert np.isnan(scd).all() == (fused is infrared or fused is visible)


def test_constant_added_to_a_source_has_no_scd(triple, compiled):
    _, infrared, visible = triple
    infrared = np.minimum(infrared, 200)
    for image in (infrared, infrared.astype(np.float64)):
        offset = image + (50 if image.dtype == np.uint8 else 0.1)
        scd = score(offset.astype(image.dtype), image, visible, names=("scd",), compiled=compiled)
        assert np.isnan(scd["scd"]).all()


@pytest.mark.parametrize("level", [0, 1, 137, 254, 255])
def test_flat_source_has_no_vif_and_no_scd(triple, compiled, level):
    fused, _, visible = triple
    values = score(fused, np.full_like(fused, level), visible, compiled=compiled)
    assert np.isnan(values["vif"]).all()
    assert np.isnan(values["scd"]).all()
    assert np.isfinite(values["sf"]).all()


def test_cddfuse_counts_a_flat_source_as_one(triple):
    _fused, infrared, visible = triple
    flat = np.full_like(infrared, 77)
    vif = score(visible, flat, visible, names=("vif",), dialect="cddfuse")["vif"]
    np.testing.assert_allclose(vif, 2, atol=1e-9)


def test_flat_fused_image(triple, compiled):
    flat = np.full_like(triple[0], 40)
    values = score(flat, *triple[1:], compiled=compiled)
    assert values["sf"].tolist() == values["ag"].tolist() == values["vif"].tolist() == [0, 0, 0]
    assert np.isfinite(values["scd"]).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("role", [0, 1, 2])
def test_non_finite_pixel_spoils_its_triple_alone(triple, compiled, bad, role):
    arrays = [batch.astype(np.float64) for batch in triple]
    arrays[role][1, 5, 6] = bad
    values = score(*arrays, names=tuple(METRICS), compiled=compiled)
    clean = score(*triple, names=tuple(METRICS), compiled=compiled)
    for name, column in values.items():
        assert np.isnan(column[1]), name
        np.testing.assert_allclose(column[[0, 2]], clean[name][[0, 2]], rtol=1e-9, err_msg=name)


@pytest.mark.parametrize("name", ["vif", "viff", "ssim", "ms_ssim", "sf", "ag"])
def test_too_small_images_are_refused(name, compiled):
    smallest = {"vif": 41, "viff": 41, "ssim": 11, "ms_ssim": 176, "sf": 2, "ag": 2}[name]
    rng = np.random.default_rng(1)
    enough = rng.integers(0, 256, (3, 1, smallest, smallest), dtype=np.uint8)
    assert np.isfinite(score(*enough, names=(name,), compiled=compiled)[name]).all()
    with pytest.raises(MetricError, match=rf"{name} needs images of at least {smallest}×"):
        score(*enough[:, :, :-1], names=(name,), compiled=compiled)


@pytest.mark.parametrize("metric", {**METRICS, **VARIANTS}.values(), ids=lambda m: m.name)
def test_metric_takes_its_stated_minimum_and_nothing_smaller(metric, compiled):
    side = metric.minimum
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (3, 1, side, side), dtype=np.uint8)
    assert len(score(*images, names=(metric.name,), compiled=compiled)[metric.name]) == 1
    if side > 1:
        with pytest.raises(MetricError, match=f"{metric.name} needs images of at least {side}×"):
            score(*images[:, :, 1:], names=(metric.name,), compiled=compiled)


def test_unusable_arrays_are_named(triple):
    fused, infrared, visible = triple
    with pytest.raises(MetricError, match=r"fused: expected an array \(B, H, W\).*image\[None\]"):
        score(fused[0], infrared, visible)
    with pytest.raises(MetricError, match=r"one shape.*visible \(3, 180, 183\)"):
        score(fused, infrared, visible[:, :, 1:])
    with pytest.raises(MetricError, match=r"infrared: .*looks like the 0-1 scale"):
        score(fused, infrared / 255, visible)
    with pytest.raises(MetricError, match=r"visible: values must lie in \[0, 255\], found .*65535"):
        score(fused, infrared, visible.astype(np.uint16) * 257)
    with pytest.raises(MetricError, match="fused: expected real numbers"):
        score(fused.astype(complex), infrared, visible)
    with pytest.raises(MetricError, match="holds no pixel"):
        score(fused[:0], infrared[:0], visible[:0])


def test_unusable_options_are_named(triple):
    with pytest.raises(MetricError, match="unknown metric 'VIF'; did you mean vif"):
        score(*triple, names=("VIF",))
    with pytest.raises(MetricError, match="unknown metric 'viv'; did you mean vif"):
        score(*triple, names=("viv",))
    with pytest.raises(MetricError, match=r"names must be a list, such as \['vif'\]"):
        score(*triple, names="vif")
    with pytest.raises(MetricError, match="unknown dialect 'cdfuse'; did you mean cddfuse"):
        score(*triple, dialect="cdfuse")
    with pytest.raises(MetricError, match="dialect vifb has no 'vif'"):
        score(*triple, dialect="vifb", names=("vif",))
    with pytest.raises(MetricError, match="threads must be 1 to 1024, got 0"):
        score(*triple, threads=0)
    with pytest.raises(MetricError, match="must have 1 px to 8192 px"):
        score(*triple, resize=0)


def test_no_methods_give_an_empty_table(triple):
    assert score_methods({}, *triple[1:]) == {}


def test_every_dialect_measures_all_it_lists(triple):
    for name, dialect in DIALECTS.items():
        values = score(*triple, names=tuple(dialect.metrics), dialect=name)
        assert all(np.isfinite(column).all() for column in values.values())


SWITCHED = """
import sys, numpy as np, metrics
image = np.random.default_rng(0).integers(0, 256, (3, 1, 50, 50), dtype=np.uint8)
values = metrics.score(*image)
assert "numba" not in sys.modules
print(*(float(column[0]) for column in values.values()))
"""


def test_environment_can_forbid_the_compiler():
    environment = {**os.environ, "FUSION_METRICS_COMPILED": "0"}
    output = subprocess.run(
        [sys.executable, "-c", SWITCHED],
        env=environment,
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    image = np.random.default_rng(0).integers(0, 256, (3, 1, 50, 50), dtype=np.uint8)
    expected = [column[0] for column in score(*image, names=PAPER).values()]
    np.testing.assert_allclose([float(word) for word in output.split()], expected, rtol=1e-9)


@pytest.mark.parametrize("compiled", [True, False])
def test_dark_image_among_others_is_measured_by_both_paths(compiled):
    """Resized, an image of zeros and ones has values between them and is no 0-1 image."""
    rng = np.random.default_rng(0)
    dark = rng.integers(0, 2, (1, 60, 60), dtype=np.uint8)
    bright = rng.integers(0, 256, (1, 60, 60), dtype=np.uint8)
    batch = np.concatenate([dark, bright])
    values = score(batch, batch[::-1], bright.repeat(2, 0), resize=50, compiled=compiled)
    assert np.isfinite(values["sf"]).all()
    mixed = np.concatenate([dark / 3, bright])
    assert np.isfinite(score(mixed, batch, batch, compiled=compiled)["sf"]).all()
