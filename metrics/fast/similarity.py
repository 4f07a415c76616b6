"""Compiled loop of SSIM and MS-SSIM: one pass over the windows for both sources.

The arithmetic is that of `metrics.ssim`. The windows of the sources are computed once per band for
all fused images.
"""

import numpy as np
from numpy.typing import NDArray

from ..shared.arrays import Batch
from ..shared.moments import MID_GREY
from ..ssim import STABILISERS
from .compiler import compiled, compiled_into_callers
from .intrinsics import borrow
from .scratch import BLOCK, PLANES, SIDE, Buffer, Scratch, Window
from .windows import FUSED, SOURCES, borrowed, lay_out, means_before, next_block

# Four sums per block: similarity to infrared and to visible, then contrast and structure.
SUMS = 4
LUMINANCE, CONTRAST = STABILISERS


@compiled_into_callers
def _keep_source(means: Buffer, kept: Buffer) -> None:
    """Store means and variances of the windows of both sources."""
    for j in range(2 * BLOCK):
        mean = means[j]
        kept[j] = mean
        kept[j + 2 * BLOCK] = means[j + 2 * BLOCK] - mean * mean


@compiled_into_callers
def _add(means: Buffer, kept: Buffer, sums: Buffer) -> None:
    """Add, window by window, similarities to both sources, then contrasts and structures."""
    for source in range(2):
        own = source * BLOCK
        for j in range(BLOCK):
            x, y = means[j], kept[j + own]
            shared = means[j + own + 2 * BLOCK] - x * y
            variances = means[j + BLOCK] - x * x + kept[j + own + 2 * BLOCK]
            structure = (2.0 * shared + CONTRAST) / (variances + CONTRAST)
            x, y = x + MID_GREY, y + MID_GREY
            luminance = (2.0 * x * y + LUMINANCE) / (x * x + y * y + LUMINANCE)
            sums[j + own] += structure * luminance
            sums[j + own + 2 * BLOCK] += structure


@compiled
def similarities(
    fused: Batch, a: Batch, b: Batch, window: Window, scratch: Scratch
) -> NDArray[np.float64]:
    """Compare fused images (n, H, W) with both sources (H, W).

    Returns:
        (n, 4): the mean similarity to infrared and to visible, then the means of contrast and
        structure.
    """
    scratch, window = borrowed(scratch), Window(borrow(window.taps), window.half)
    count, height, width = fused.shape
    reach, bands = len(window.half), scratch.bands
    rows, columns = height - 2 * reach, width - 2 * reach
    blocks = (columns + SIDE - 1) // SIDE
    kept, sums = np.empty((blocks, PLANES * BLOCK)), np.zeros((count, SUMS * BLOCK))
    for top in range(0, rows, SIDE):
        lay_out(a, top, scratch.lines, bands[0])
        lay_out(b, top, scratch.lines, bands[1])
        # Both sources come first, then one fused image after another.
        for index in range(-1, count):
            if index >= 0:
                lay_out(fused[index], top, scratch.lines, bands[2])
            first = FUSED if index >= 0 else SOURCES
            slot = next_block(bands, 0, 0, first, window, scratch)
            for block in range(blocks):
                slot = next_block(bands, block + 1, slot, first, window, scratch)
                inside = rows - top, columns - block * SIDE
                means = means_before(slot, first, inside, window, scratch)
                if index < 0:
                    _keep_source(means, borrow(kept[block]))
                else:
                    _add(means, borrow(kept[block]), borrow(sums[index]))
    # Windows beyond the image are flat and alike in all images: each of them added 1.
    surplus = (rows + SIDE - 1) // SIDE * blocks * BLOCK - rows * columns
    found = np.empty((count, SUMS))
    for index in range(count):
        for k in range(SUMS):
            total = sums[index, k * BLOCK : (k + 1) * BLOCK].sum()
            found[index, k] = (total - surplus) / (rows * columns)
    return found
