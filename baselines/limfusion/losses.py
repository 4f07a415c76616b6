"""The losses of LiMFusion."""

import torch
import torch.nn.functional as F
from torch import Tensor

REGION = 4


def gradient_loss(fused: Tensor, infrared: Tensor, visible: Tensor) -> Tensor:
    """L1 between the fused picture's gradients and the larger of the sources', both axes.

    All (B, 1, H, W); a scalar. Zeros stand outside the picture.
    """
    total = fused.new_zeros(())
    for axis in (2, 3):
        edges = torch.maximum(_difference(infrared, axis), _difference(visible, axis))
        total = total + F.l1_loss(_difference(fused, axis), edges)
    return total


def _difference(images: Tensor, axis: int) -> Tensor:
    padded = F.pad(images, (0, 0, 1, 1) if axis == 2 else (1, 1, 0, 0))
    length = images.shape[axis]
    return (padded.narrow(axis, 2, length) - padded.narrow(axis, 0, length)).abs()


def neighbour_loss(fused: Tensor, source: Tensor) -> Tensor:
    """Mean squared difference of how 4×4 regions differ from their four neighbours.

    Both (B, 1, H, W); a scalar, summed over the four directions. Zeros stand outside.
    """
    # Differences are linear: those of the difference picture are the difference of those.
    change = F.pad(F.avg_pool2d(fused - source, REGION), (1, 1, 1, 1))
    centre = change[..., 1:-1, 1:-1]
    neighbours = (
        change[..., 1:-1, :-2],
        change[..., 1:-1, 2:],
        change[..., :-2, 1:-1],
        change[..., 2:, 1:-1],
    )
    return torch.stack([(centre - other).square().mean() for other in neighbours]).sum()
