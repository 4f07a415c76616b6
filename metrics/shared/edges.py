"""Sobel edges, which the two gradient-transfer metrics share."""

from typing import Literal, NamedTuple

import numpy as np

from .arrays import Image


class Edges(NamedTuple):
    """Edge strength and orientation of an image, each (H, W); orientation in [−π/2, π/2]."""

    strength: Image
    orientation: Image


def sobel(image: Image, border: Literal["constant", "reflect", "edge"]) -> tuple[Image, Image]:
    """Compute the horizontal and vertical Sobel responses of (H, W), each (H, W).

    Zeros lie outside, the image mirrored at its outermost pixels, or these pixels repeated.
    """
    padded = np.pad(image, 1, mode=border)
    smooth_down = padded[:-2] + 2 * padded[1:-1] + padded[2:]
    smooth_across = padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]
    return smooth_down[:, 2:] - smooth_down[:, :-2], smooth_across[2:] - smooth_across[:-2]


def strength(across: Image, down: Image) -> Image:
    """Return √(across² + down²), which is equal for equal sums where `np.hypot` need not be."""
    return np.asarray(np.sqrt(across * across + down * down))
