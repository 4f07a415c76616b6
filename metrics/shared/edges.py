"""Sobel edges, which the two gradient-transfer metrics share."""

from typing import Literal, NamedTuple

import numpy as np

from .arrays import Image


class Edges(NamedTuple):
    """Edge strength and orientation of an image, each (H, W); orientation in [−π/2, π/2]."""

    strength: Image
    orientation: Image


def sobel(image: Image, border: Literal["constant", "reflect"]) -> tuple[Image, Image]:
    """Compute the horizontal and vertical Sobel responses of (H, W), each (H, W).

    Zeros lie outside, or the image mirrored at its outermost pixels.
    """
    return inner_sobel(np.pad(image, 1, mode=border))


def inner_sobel(image: Image) -> tuple[Image, Image]:
    """Compute the Sobel responses of (H, W) at all pixels but the outermost, each (H-2, W-2)."""
    smooth_down = image[:-2] + 2 * image[1:-1] + image[2:]
    smooth_across = image[:, :-2] + 2 * image[:, 1:-1] + image[:, 2:]
    return smooth_down[:, 2:] - smooth_down[:, :-2], smooth_across[2:] - smooth_across[:-2]


def strength(across: Image, down: Image) -> Image:
    """Return √(across² + down²), which is equal for equal sums where `np.hypot` need not be."""
    return np.asarray(np.sqrt(across * across + down * down))
