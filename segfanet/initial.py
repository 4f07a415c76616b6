"""Initial weights of SegFANet, which the paper leaves open (docs/protocol.md, point 8).

The fused image is compared pixel by pixel with the sources, but reaches the head through a
dozen 3×3 convolutions with ReLU. A network that starts as a linear map of single pixels
(Balduzzi et al., "The shattered gradients problem", ICML 2017; Xiao et al., ICML 2018) blurs
none of them; docs/learning.md has what that does for tiles held back from the training.
"""

import torch
from torch import Tensor, nn

LARGE = 10.0
"""Gain of the last convolutions; one would keep the signal's size."""


@torch.no_grad()
def normal(conv: nn.Conv2d, gain: float = 2**0.5) -> nn.Conv2d:
    """Normal weights that scale the signal by `gain`, by default what a ReLU takes; no bias."""
    nn.init.kaiming_normal_(conv.weight, nonlinearity="linear").mul_(gain)
    return _unbiased(conv)


@torch.no_grad()
def normal_difference(conv: nn.Conv2d, gain: float) -> nn.Conv2d:
    """Normal weights of z, read from a feature whose halves hold z⁺ and z⁻; no bias."""
    normal(conv, gain)
    channels = conv.in_channels
    conv.weight.copy_(_difference(conv.weight[:, : -(-channels // 2)], channels))
    return conv


@torch.no_grad()
def looks_linear(conv: nn.Conv2d, joined: int = 1) -> nn.Conv2d:
    """Orthogonal matrix at the centre tap, with outputs in pairs of opposite sign; no bias.

    z⁺ and z⁻ pass the ReLU, and the next convolution reads z as their difference.

    Args:
        conv: of 1×1 or 3×3, whose second half of outputs becomes the negative of the first.
        joined: how many features with such halves are concatenated in its input; 0 if it
            reads images, which have none.
    """
    outputs, inputs, height, width = conv.weight.shape
    rows = -(-outputs // 2)
    channels = inputs // max(1, joined)
    columns = -(-channels // 2) * joined or inputs
    # Rows of equal expected length, whichever side is longer.
    matrix = nn.init.orthogonal_(torch.empty(rows, columns)) * max(1.0, rows / columns) ** 0.5
    if height == 1:
        # No ReLU follows, so that the next convolution reads z from both halves.
        matrix *= 0.5
    if joined:
        parts = matrix.chunk(joined, dim=1)
        matrix = torch.cat([_difference(part, channels) for part in parts], dim=1)
    conv.weight.zero_()
    conv.weight[:, :, height // 2, width // 2] = torch.cat([matrix, -matrix])[:outputs]
    return _unbiased(conv)


def _difference(half: Tensor, channels: int) -> Tensor:
    """Weights of z to weights of the channels that hold z⁺ and z⁻, (a, channels, …)."""
    # An odd number leaves the last one without its negative.
    return torch.cat([half, -half], dim=1)[:, :channels]


def _unbiased(conv: nn.Conv2d) -> nn.Conv2d:
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return conv
