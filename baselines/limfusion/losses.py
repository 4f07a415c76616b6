"""The losses of LiMFusion."""

import torch
import torch.nn.functional as F
from torch import Tensor

REGION = 4


def gradient_loss(fused: Tensor, infrared: Tensor, visible: Tensor) -> Tensor:
    """Return L1 between the fused gradients and the larger source gradients, over both axes.

    All images are (B, 1, H, W), the result is a scalar. Pixels outside the image are zero.
    """
    terms = []
    for axis in (2, 3):
        edges = torch.maximum(_difference(infrared, axis), _difference(visible, axis))
        terms.append(F.l1_loss(_difference(fused, axis), edges))
    return terms[0] + terms[1]


def _difference(images: Tensor, axis: int) -> Tensor:
    padded = F.pad(images, (0, 0, 1, 1) if axis == 2 else (1, 1, 0, 0))
    length = images.shape[axis]
    return (padded.narrow(axis, 2, length) - padded.narrow(axis, 0, length)).abs()


def neighbour_loss(fused: Tensor, source: Tensor) -> Tensor:
    """Compare how 4×4 regions differ from their four neighbours in both images.

    Both images are (B, 1, H, W). The result is the mean squared difference, a scalar, summed
    over the four directions. Pixels outside the image are zero.
    """
    # Differences are linear, so those of the two images can be taken from their difference.
    change = F.pad(F.avg_pool2d(fused - source, REGION), (1, 1, 1, 1))
    centre = change[..., 1:-1, 1:-1]
    beside = change[..., 1:-1, :-2], change[..., 1:-1, 2:]
    neighbours = *beside, change[..., :-2, 1:-1], change[..., 2:, 1:-1]
    return torch.stack([(centre - other).square().mean() for other in neighbours]).sum()
