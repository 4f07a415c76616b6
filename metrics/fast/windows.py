"""Compiled windows over three images, in blocks, from which VIF and SSIM are computed.

Windows are computed in blocks of `SIDE` rows and columns. A band of two blocks of rows is brought
into strips of `SIDE` columns, in float64 with mid-grey at 0, which changes no variance; so the
memory does not grow with the height of the images. A block is filtered down its columns,
transposed, and filtered again, so that both passes read whole aligned vectors at constant distances
and load each of them once for four outputs. Of the tuple `half` only the length matters: it is part
of a function's type, hence a constant to the compiler, which then unrolls the loop over taps.
"""

from ..shared.arrays import Batch, Image
from ..shared.moments import MID_GREY
from .compiler import compiled_into_callers
from .intrinsics import LANES, borrow, transpose_lanes
from .scratch import BLOCK, KEPT, PLANES, SIDE, Buffer, Scratch, Window

# The factors of each plane, 0 being infrared, 1 visible and 2 fused; a mean has only one. One loop
# over planes instead of one call per plane keeps the code small enough for the processor's cache.
FACTORS = ((0, -1), (1, -1), (0, 0), (1, 1), (2, -1), (2, 2), (2, 0), (2, 1))
SOURCES, FUSED = 0, PLANES
"""First plane of the sources, and of a fused image."""


@compiled_into_callers
def borrowed(scratch: Scratch) -> Scratch:
    """Return the same memory without reference counts."""
    pixels, filtered, columns, means, lines, bands = scratch
    arrays = borrow(pixels), borrow(filtered), borrow(columns), borrow(means)
    return Scratch(*arrays, borrow(lines), borrow(bands))


@compiled_into_callers
def lay_out(image: Batch, top: int, lines: Image, band: Image) -> None:
    """Copy 2·SIDE rows of an image from `top` on into strips; below the image its last row."""
    image, line, band = borrow(image), borrow(lines[0]), borrow(band)
    height, width = image.shape
    strips = (width + SIDE - 1) // SIDE
    for i in range(2 * SIDE):
        row = image[min(top + i, height - 1)]
        for j in range(width):
            line[j] = row[j] - MID_GREY
        for strip in range(strips):
            source, target = line[strip * SIDE :], band[strip, i * SIDE :]
            for j in range(SIDE):
                target[j] = source[j]


@compiled_into_callers
def next_block(
    bands: Image, block: int, slot: int, first: int, window: Window, scratch: Scratch
) -> int:
    """Filter one block of the four planes from `first` on down its columns.

    `slot` counts the blocks of a band that are kept, from 0 on; return it for the next block.
    """
    if slot == KEPT:
        _carry(scratch.columns)
        slot = 1
    for plane in range(first, first + PLANES):
        x = bands[FACTORS[plane][0], block]
        if FACTORS[plane][1] >= 0:
            _multiply(x, bands[FACTORS[plane][1], block], scratch.pixels)
            x = scratch.pixels
        _down(x, scratch, window, plane, slot)
    return slot + 1


@compiled_into_callers
def means_before(
    slot: int, first: int, inside: tuple[int, int], window: Window, scratch: Scratch
) -> Buffer:
    """Compute the windows of the last block but one; return the means of its four planes.

    `inside` says how many of their rows and columns lie in the image; all others become 0.
    """
    for plane in range(first, first + PLANES):
        _across(scratch, window, plane, slot - 2)
    means = scratch.means[first * BLOCK :]
    if inside[0] < SIDE or inside[1] < SIDE:
        _blank(means, inside[0], inside[1])
    return means


@compiled_into_callers
def _filter(lines: Buffer, window: Window, out: Buffer) -> None:
    """Filter 2·SIDE consecutive lines of SIDE numbers to the first SIDE windows."""
    taps, reach = window.taps, len(window.half)
    for first in range(0, SIDE, 4):
        x, y = lines[first * SIDE :], out[first * SIDE :]
        for j in range(SIDE):
            total0 = taps[reach] * x[j + reach * SIDE]
            total1 = taps[reach] * x[j + (reach + 1) * SIDE]
            total2 = taps[reach] * x[j + (reach + 2) * SIDE]
            total3 = taps[reach] * x[j + (reach + 3) * SIDE]
            for t in range(reach):
                u = 2 * reach - t
                total0 += taps[t] * (x[j + t * SIDE] + x[j + u * SIDE])
                total1 += taps[t] * (x[j + (t + 1) * SIDE] + x[j + (u + 1) * SIDE])
                total2 += taps[t] * (x[j + (t + 2) * SIDE] + x[j + (u + 2) * SIDE])
                total3 += taps[t] * (x[j + (t + 3) * SIDE] + x[j + (u + 3) * SIDE])
            y[j] = total0
            y[j + SIDE] = total1
            y[j + 2 * SIDE] = total2
            y[j + 3 * SIDE] = total3


@compiled_into_callers
def _multiply(x: Buffer, y: Buffer, out: Buffer) -> None:
    for j in range(2 * BLOCK):
        out[j] = x[j] * y[j]


@compiled_into_callers
def _down(pixels: Buffer, scratch: Scratch, window: Window, plane: int, slot: int) -> None:
    """Filter pixels down their columns into a plane's columns, transposed."""
    _filter(pixels, window, scratch.filtered)
    begin = (plane * KEPT + slot) * BLOCK
    for row in range(0, SIDE, LANES):
        for column in range(0, SIDE, LANES):
            start, target = row * SIDE + column, begin + column * SIDE + row
            transpose_lanes(scratch.filtered, start, scratch.columns, target, SIDE)


@compiled_into_callers
def _across(scratch: Scratch, window: Window, plane: int, slot: int) -> None:
    """Filter a block of columns and the next one into the means of their plane."""
    columns = scratch.columns[(plane * KEPT + slot) * BLOCK :]
    _filter(columns, window, scratch.means[plane * BLOCK :])


@compiled_into_callers
def _blank(means: Buffer, rows: int, columns: int) -> None:
    """Make windows beyond the image flat, so that they add nothing."""
    for plane in range(PLANES):
        block = means[plane * BLOCK :]
        for column in range(SIDE):
            for row in range(SIDE):
                if column >= columns or row >= rows:
                    block[column * SIDE + row] = 0.0


@compiled_into_callers
def _carry(columns: Buffer) -> None:
    """Move the last kept block of each plane to the first place."""
    for plane in range(2 * PLANES):
        first = columns[plane * KEPT * BLOCK :]
        last = first[(KEPT - 1) * BLOCK :]
        for j in range(BLOCK):
            first[j] = last[j]
