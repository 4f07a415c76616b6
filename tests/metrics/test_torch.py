"""The torch path gives the values of the others; on the CPU here, on any device in use."""

import numpy as np
import pytest

from metrics import METRICS, MetricError, score
from metrics.resize import bilinear
from metrics.torch_backend import loss
from metrics.torch_backend import score as torch_score
from metrics.torch_backend.measures import COUNTED, MEASURES

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


@pytest.mark.parametrize("name", MEASURES)
def test_every_path_computes_the_definition(name):
    side = max(48, METRICS[name].minimum)
    rng = np.random.default_rng(8)
    steps = rng.normal(0, 6, (3, 3, side, side + 7)).cumsum(axis=2) + 128
    images = np.clip(np.rint(steps), 0, 255).astype(np.uint8)
    images[0, 1, :20, :20] = 255
    values = torch_score(*images, names=(name,), device="cpu")[name]
    np.testing.assert_allclose(values, METRICS[name].measure(*images), rtol=1e-9)


def test_all_metrics_but_feature_information_have_a_path():
    assert set(METRICS) - set(MEASURES) == {"fmi_pixel", "fmi_dct", "fmi_w"}


@pytest.mark.parametrize("name", [name for name in MEASURES if name not in COUNTED])
@pytest.mark.parametrize("flat", [False, True])
def test_loss_has_the_derivative_of_its_metric(name, flat):
    """A small step against the gradient improves the images as much as the gradient says."""
    side = max(44, METRICS[name].minimum)
    rng = np.random.default_rng(9)
    steps = rng.normal(0, 6, (3, 2, side, side)).cumsum(axis=2) + 128
    fused, infrared, visible = torch.from_numpy(np.clip(steps, 20, 230))
    if flat:
        fused = torch.full_like(fused, 90.0)
    fused.requires_grad_(True)
    function = loss(name)
    value = function(fused, infrared, visible)
    value.backward()
    if flat:
        assert torch.isfinite(fused.grad).all() or METRICS[name].undefined
        return
    measured = score(fused.detach().numpy(), infrared.numpy(), visible.numpy(), names=(name,))
    assert value.item() == pytest.approx(-METRICS[name].sign * measured[name].mean(), rel=1e-9)
    if name in ("qcb", "qcv"):
        assert torch.isfinite(fused.grad).all() and fused.grad.abs().sum() > 0
        return
    direction = fused.grad / fused.grad.norm()
    step = 1e-4
    ends = [function(fused.detach() + s * step * direction, infrared, visible) for s in (1, -1)]
    slope = (ends[0] - ends[1]).item() / (2 * step)
    assert slope == pytest.approx(fused.grad.norm().item(), rel=2e-2)


def test_loss_takes_planes_of_any_floating_dtype(triple):
    planes = [torch.from_numpy(batch[:, None].astype(np.float32)) for batch in triple]
    assert loss("ssim")(*planes).item() == pytest.approx(
        -score(*triple, names=("ssim",))["ssim"].mean(), rel=1e-4
    )


def test_loss_refuses_what_it_cannot_take(triple):
    planes = [torch.from_numpy(batch.astype(np.float64)) for batch in triple]
    with pytest.raises(MetricError, match="sorts pixels into levels"):
        loss("mi")
    with pytest.raises(MetricError, match="no torch path for 'ssmi'; did you mean"):
        loss("ssmi")
    with pytest.raises(MetricError, match="must have one shape"):
        loss("ssim")(planes[0], planes[1], planes[2][:, 1:])
    with pytest.raises(MetricError, match="infrared: expected floating"):
        loss("ssim")(planes[0], planes[1].byte(), planes[2])


def test_non_finite_pixels_and_single_metrics(triple):
    arrays = triple.astype(np.float64)
    arrays[2, 1, 4, 4] = np.nan
    values = torch_score(*arrays, names=("sf", "vif"), device="cpu")
    assert list(values) == ["sf", "vif"]
    assert np.isnan([values["sf"][1], values["vif"][1]]).all()
    assert np.isfinite(values["vif"][[0, 2]]).all()


def test_refuses_what_the_others_refuse(triple):
    with pytest.raises(MetricError, match="no torch path for 'fmi_w'"):
        torch_score(*triple, names=("fmi_w",), device="cpu")
    with pytest.raises(MetricError, match="at least 41×41"):
        torch_score(*triple[:, :, :40], device="cpu")


@pytest.mark.parametrize("size", [(224, 224), (83, 74), (120, 61), (1, 1)])
def test_bilinear_resize_is_that_of_torch(triple, size):
    images = triple[0].astype(np.float64)
    reference = torch.nn.functional.interpolate(
        torch.from_numpy(images)[None], size=size, mode="bilinear", align_corners=False
    )[0].numpy()
    np.testing.assert_allclose(bilinear(images, size), reference, atol=1e-10)
