"""Initial weights of SegFANet, which the paper does not state (docs/protocol.md, point 8).

The loss compares the fused image pixel by pixel with the sources, but pixels reach the head
through a dozen 3×3 convolutions with ReLU. A network that starts as a linear map of single
pixels (Balduzzi et al., "The shattered gradients problem", ICML 2017; Xiao et al., ICML 2018)
does not blur them, and its heads can start with the mean of the sources. docs/learning.md shows
the effect on tiles held back from the training.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LARGE = 10.0
"""Gain of the class scores; a gain of one would keep the size of the signal."""


@torch.no_grad()
def normal(conv: nn.Conv2d, gain: float = 2**0.5) -> nn.Conv2d:
    """Set normal weights that scale the signal by `gain`, and zero bias.

    The default gain makes up for what a ReLU removes.
    """
    nn.init.kaiming_normal_(conv.weight, nonlinearity="linear").mul_(gain)
    return _unbiased(conv)


@torch.no_grad()
def looks_linear(conv: nn.Conv2d, joined: int = 1, silent: int = 0) -> nn.Conv2d:
    """Set an orthogonal matrix at the centre tap, outputs in pairs of opposite sign, zero bias.

    z⁺ and z⁻ pass the ReLU, and the next convolution obtains z as their difference. `conv` is
    1×1 or 3×3. `joined` is the number of features with such halves that are concatenated in its
    input; 0 if it reads images, which have no such halves. The last `silent` of the features start
    with zero weights.
    """
    outputs, inputs, height, width = conv.weight.shape
    rows = -(-outputs // 2)
    channels, heard = inputs // max(1, joined), joined - silent
    columns = -(-channels // 2) * heard or inputs
    # All rows have the same expected length, whichever side is longer.
    matrix = nn.init.orthogonal_(torch.empty(rows, columns)) * max(1.0, rows / columns) ** 0.5
    if height == 1:
        # No ReLU follows a 1×1 convolution, so the next one obtains z from both halves.
        matrix *= 0.5
    if joined:
        parts = matrix.chunk(heard, dim=1)
        matrix = torch.cat([_difference(part, channels) for part in parts], dim=1)
    matrix = torch.cat([matrix, -matrix])[:outputs]
    conv.weight.zero_()
    conv.weight[:, : matrix.shape[1], height // 2, width // 2] = matrix
    return _unbiased(conv)


@torch.no_grad()
def fitted(conv: nn.Conv2d, features: Tensor, values: Tensor) -> nn.Conv2d:
    """Set centre tap and bias so that `conv` turns the features of pixels into their values.

    `conv` is a 3×3 convolution to one channel. Its weights are those of z, for features whose
    halves contain z⁺ and z⁻: the smallest ones with the least square error. features:
    (N, channels, 1, 1), values: (N,).
    """
    channels = conv.in_channels
    # The opposite halves of the identity take the difference of the features' halves.
    pairs = _difference(torch.eye(-(-channels // 2)), channels).mT.double()
    known = F.pad(features.flatten(1).double() @ pairs, (0, 1), value=1.0)
    # Directions in which the features hardly vary would obtain huge weights.
    solution = torch.linalg.pinv(known, rtol=1e-2) @ values.double()
    conv.weight.zero_()
    conv.weight[0, :, 1, 1] = (pairs @ solution[:-1]).to(conv.weight.dtype)
    if conv.bias is not None:
        conv.bias.copy_(solution[-1:])
    return conv


def _difference(half: Tensor, channels: int) -> Tensor:
    """Turn weights of z into weights of the channels with z⁺ and z⁻, (a, channels, …)."""
    # With an odd number of channels, the last one has no negative.
    return torch.cat([half, -half], dim=1)[:, :channels]


def _unbiased(conv: nn.Conv2d) -> nn.Conv2d:
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return conv
