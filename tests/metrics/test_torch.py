"""The torch path gives the values of the others; on the CPU here, on any device in use."""

import numpy as np
import pytest

from metrics import MetricError, score
from metrics.resize import bilinear
from metrics.torch_backend import score as torch_score

torch = pytest.importorskip("torch")


@pytest.fixture
def triple():
    rng = np.random.default_rng(5)
    steps = rng.normal(0, 6, (3, 5, 83, 74)).cumsum(axis=2) + 128
    return np.clip(np.rint(steps), 0, 255).astype(np.uint8)


def test_values_are_those_of_the_other_paths(triple):
    triple[0][3] = triple[1][3]
    triple[2][4] = 12
    for chunk in (1, 2, 16):
        values = torch_score(*triple, device="cpu", chunk=chunk)
        for name, expected in score(*triple).items():
            np.testing.assert_allclose(values[name], expected, rtol=1e-9, err_msg=name)


def test_non_finite_pixels_and_single_metrics(triple):
    arrays = triple.astype(np.float64)
    arrays[2, 1, 4, 4] = np.nan
    values = torch_score(*arrays, names=("sf", "vif"), device="cpu")
    assert list(values) == ["sf", "vif"]
    assert np.isnan([values["sf"][1], values["vif"][1]]).all()
    assert np.isfinite(values["vif"][[0, 2]]).all()


def test_refuses_what_the_others_refuse(triple):
    with pytest.raises(MetricError, match="no torch path for 'qabf'"):
        torch_score(*triple, names=("qabf",), device="cpu")
    with pytest.raises(MetricError, match="at least 41×41"):
        torch_score(*triple[:, :, :40], device="cpu")


@pytest.mark.parametrize("size", [(224, 224), (83, 74), (120, 61), (1, 1)])
def test_bilinear_resize_is_that_of_torch(triple, size):
    images = triple[0].astype(np.float64)
    reference = torch.nn.functional.interpolate(
        torch.from_numpy(images)[None], size=size, mode="bilinear", align_corners=False
    )[0].numpy()
    np.testing.assert_allclose(bilinear(images, size), reference, atol=1e-10)
