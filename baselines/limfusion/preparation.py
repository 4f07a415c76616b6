"""What LiMFusion computes from each image before its network."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

MULTIPLE = 8
STEPS, STEP_SIZE, EDGE = 15, 0.9, 4.0
CELL = 4


class Layers(NamedTuple):
    """The inputs of one modality to the network, (B, 1, H, W) each."""

    low: Tensor
    high: Tensor
    information: Tensor


def prepare(images: Tensor) -> Layers:
    """Split (B, 1, H, W) images in [0, 1] into layers, and measure local information.

    H and W are multiples of 4. Each image is scaled by itself, so the result does not depend on
    the batch.
    """
    low = diffuse(images)
    high = spread(images - low)
    return Layers(low, high, information_map(high))


def pad(images: Tensor) -> Tensor:
    """Add zeros on the right and at the bottom, up to a multiple of 8."""
    height, width = images.shape[-2:]
    return F.pad(images, (0, -width % MULTIPLE, 0, -height % MULTIPLE))


def diffuse(images: Tensor) -> Tensor:
    """Smooth by fourth-order diffusion (You & Kaveh 2000), 15 steps on the 0–255 scale.

    (B, 1, H, W) in [0, 1] → (B, 1, H, W), not clamped.
    """
    x = 255 * images
    for _ in range(STEPS):
        rows, columns = _second(x, 2), _second(x, 3)
        speed = 1 / (1 + (rows**2 + columns**2) / EDGE**2)
        x = x - STEP_SIZE * (_second(speed * rows, 2) + _second(speed * columns, 3))
    return x / 255


def _second(x: Tensor, dim: int) -> Tensor:
    return torch.gradient(torch.gradient(x, dim=dim)[0], dim=dim)[0]


def spread(images: Tensor) -> Tensor:
    """Stretch each (1, H, W) image to [0, 1].

    A constant image becomes 0. The authors' code divides 0 by 0 there, so their whole fused
    image is NaN. The guard changes nothing else.
    """
    low, high = images.amin((1, 2, 3), keepdim=True), images.amax((1, 2, 3), keepdim=True)
    width = high - low
    return (images - low) / torch.where(width > 0, width, 1)


def information_map(high: Tensor) -> Tensor:
    """Return the mean gradient magnitude of each 4×4 cell, stretched to [0, 1].

    (B, 1, H, W) → (B, 1, H, W), constant within a cell.

    The authors draw scikit-image's HOG image (8 orientations, 4×4 cells) and sum it over each
    cell. In such a small cell the line of each orientation has two pixels, so the sum is twice
    the sum of the cell's histogram over the orientations, which is the mean of the magnitudes.
    The stretch removes the factor.
    """
    dx, dy = torch.zeros_like(high), torch.zeros_like(high)
    dx[..., :, 1:-1] = high[..., :, 2:] - high[..., :, :-2]
    dy[..., 1:-1, :] = high[..., 2:, :] - high[..., :-2, :]
    cells = spread(F.avg_pool2d(torch.hypot(dx, dy), CELL))
    return cells.repeat_interleave(CELL, 2).repeat_interleave(CELL, 3)
