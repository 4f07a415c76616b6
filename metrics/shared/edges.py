"""Sobel edges, which the two gradient-transfer metrics share."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from metrics.shared.arrays import Image


@dataclass(frozen=True)
class Edges:
    """Edge strength and orientation of an image, each (H, W); orientation in [−π/2, π/2]."""

    strength: Image
    orientation: Image


def sobel(image: Image, border: Literal["constant", "reflect"]) -> tuple[Image, Image]:
    """Compute the horizontal and vertical Sobel responses of (H, W), each (H, W).

    Args:
        image: (H, W).
        border: what lies outside: zeros, or the image mirrored at its outermost pixels.
    """
    padded = np.pad(image, 1, mode=border)
    smooth_down = padded[:-2] + 2 * padded[1:-1] + padded[2:]
    smooth_across = padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]
    return smooth_down[:, 2:] - smooth_down[:, :-2], smooth_across[2:] - smooth_across[:-2]
