"""The initial weights: SegFANet starts as a linear map of pixels (segfanet/initial.py)."""

import numpy as np
import pytest
import torch
from torch import nn

from segfanet.config import Config
from segfanet.initial import looks_linear, normal
from segfanet.model import SegFANet


def images(seed, *shape):
    return torch.from_numpy(np.random.default_rng(seed).random(shape, np.float32))


def response(network, infrared, visible):
    """Return how the images change the fused image of uniform grey."""
    grey = torch.full_like(infrared, 0.5)
    with torch.no_grad():
        return (network(infrared, visible).fused - network(grey, grey).fused).double()


@pytest.mark.parametrize("width", [4, 5, 16])
@pytest.mark.parametrize("variant", [{}, {"irm": False}, {"sinets": 1}])
def test_without_attention_the_fused_image_starts_linear(width, variant):
    torch.manual_seed(0)
    network = SegFANet(Config(width=width, cam=False, **variant)).eval()
    # With an odd number of channels, one feature has no negative.
    tolerance = 1e-4 if width % 2 == 0 else 0.5
    infrared, visible = images(0, 1, 1, 48, 44), images(1, 1, 1, 48, 44)
    whole = response(network, infrared, visible)
    half = response(network, (infrared + 0.5) / 2, (visible + 0.5) / 2)
    assert whole.std() > 1e-3
    assert (whole - 2 * half).abs().max() < tolerance * whole.abs().max()


def test_a_pixel_reaches_the_fused_image_and_no_other_far_one():
    torch.manual_seed(0)
    network = SegFANet(Config(width=8, sinets=1, cam=False)).eval()
    infrared = torch.full((1, 1, 64, 64), 0.5)
    infrared[..., 32, 32] = 1
    change = response(network, infrared, torch.full_like(infrared, 0.5))[0, 0].abs()
    assert change[31:34, 31:34].max() > 5 * change[31:34, 31:34].min()
    # The bilinear resampling of the quarter-size stages spreads it over a few pixels.
    assert change[:16].max() < 1e-6
    assert change[48:].max() < 1e-6


def test_pairs_of_opposite_sign_pass_a_relu_unharmed():
    torch.manual_seed(0)
    first = looks_linear(nn.Conv2d(2, 8, 3, padding=1), joined=0)
    second = looks_linear(nn.Conv2d(8, 8, 3, padding=1))
    x = torch.randn(1, 2, 6, 6)
    z = first(x)
    torch.testing.assert_close(z[:, 4:], -z[:, :4])
    # The matrix is orthogonal: half of the channels keep the length, times rows over columns.
    ratio = z[:, :4].square().sum() / x.square().sum()
    assert ratio.item() == pytest.approx(2, rel=1e-5)
    after = second(torch.relu(z))[:, :4].square().sum() / z[:, :4].square().sum()
    assert after.item() == pytest.approx(1, rel=1e-5)


def test_normal_weights_scale_the_signal_by_their_gain():
    torch.manual_seed(0)
    conv = normal(nn.Conv2d(64, 64, 3), gain=3.0)
    y = conv(torch.randn(4, 64, 20, 20))
    assert y.std().item() == pytest.approx(3, rel=0.05)
    assert not conv.bias.any()
