"""Working memory of the compiled loops, and its layout."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..shared.arrays import Image

# Rows and columns of windows in a block, and numbers in one. The widest window has SIDE + 1 taps:
# the pixels below a block of windows lie in two blocks of pixels.
SIDE = 16
BLOCK = SIDE * SIDE
# Number of planes filtered for the sources (two means, two squares), and again for the fused image
# (its mean, its square, two products).
PLANES = 4
# Blocks of one row of blocks kept between the two passes; the 20 of a 320 px image fit.
KEPT = 20
Buffer = NDArray[np.float64]
Constant = tuple[int, ...]

CACHE_LINE = 64


class Window(NamedTuple):
    """A symmetric window: its taps, and one item of `half` per tap left of the centre."""

    taps: Buffer
    half: Constant


class Scratch(NamedTuple):
    """Working memory.

    Attributes:
        pixels: two blocks of one plane, one below the other, (2·BLOCK,).
        filtered: a block filtered down its columns, (BLOCK,).
        columns: for each plane `KEPT` blocks side by side, filtered and transposed,
            (2·PLANES·KEPT·BLOCK,).
        means: one block of each plane, filtered both ways, (2·PLANES·BLOCK,).
        lines: lines of an image, (3, at least SIDE·strips).
        bands: two blocks of rows of infrared, visible and fused image in strips of SIDE columns,
            one of them beyond the image, (3, strips, 2·BLOCK).
    """

    pixels: Buffer
    filtered: Buffer
    columns: Buffer
    means: Buffer
    lines: Image
    bands: Image


def aligned(*shape: int) -> Image:
    """Allocate zeros that start on a cache line, which vector loads need.

    One more block of memory follows, because loops read whole blocks and may pass the last strip.
    """
    count = math.prod(shape)
    memory = np.zeros(count + CACHE_LINE // 8 + BLOCK)
    start = -memory.ctypes.data % CACHE_LINE // 8
    return memory[start : start + count].reshape(shape)


def allocate(width: int) -> Scratch:
    """Allocate what one thread needs to compare images of one width."""
    strips = math.ceil(width / SIDE) + 1
    return Scratch(
        pixels=aligned(2 * BLOCK),
        filtered=aligned(BLOCK),
        columns=aligned(2 * PLANES * KEPT * BLOCK),
        means=aligned(2 * PLANES * BLOCK),
        lines=aligned(3, strips * SIDE),
        bands=aligned(3, strips, 2 * BLOCK),
    )
