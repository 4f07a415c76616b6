"""Compiled loops of the four paper metrics; the arithmetic is that of their definitions.

Every image is float64 with mid-grey at 0, which leaves all values as they are and keeps sums over
8-bit images exact. Its rows are padded with zeros to `padded(width)` columns. The loops release the
interpreter lock and are cached on disk.

Why they are written as they are: windows are worked on in blocks of `SIDE` rows and columns. A
block is filtered down its columns, transposed, and filtered again, so that both passes read whole
aligned vectors at constant distances and load each of them once for four outputs. `half` is a tuple
whose length alone counts: it is part of a function's type, hence a constant to the compiler, which
then unrolls the loop over taps. Products of many factors, their exponents taken out from time to
time, replace one logarithm a pixel by a few a scale.

The cache on disk watches this file alone: after a change to a constant it imports, delete the cache
(`metrics/__pycache__`).
"""

from collections.abc import Callable
from typing import NamedTuple, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

from metrics.arrays import Batch, Image
from metrics.moments import FLAT, MID_GREY
from metrics.transposing import LANES, transpose_lanes
from metrics.vif import NOISE

# Rows and columns of windows in a block, and numbers in one. The widest window has SIDE + 1 taps:
# what a block of windows covers lies in two blocks of pixels.
SIDE = 16
BLOCK = SIDE * SIDE
# Planes filtered for the sources: two means and two squares; and for the fused image: its mean, its
# square and two products.
PLANES = 4
# Blocks of one row of blocks kept between the two passes; the 20 of a 320 px image fit.
KEPT = 20
# Blocks between two extractions of exponents: each factor is below 2^15, so 60 stay below 2^901.
RESCALE = 60

_FAST = {"contract", "reassoc", "nsz"}

Buffer = NDArray[np.float64]
Bits = NDArray[np.int64]
Constant = tuple[int, ...]
Function = TypeVar("Function", bound=Callable[..., object])


class Scratch(NamedTuple):
    """Memory to work in.

    Attributes:
        pixels: two blocks of one plane, one below the other, (2·BLOCK,).
        filtered: a block filtered down its columns, (BLOCK,).
        columns: for each plane `KEPT` blocks side by side, filtered and transposed,
            (2·PLANES·KEPT·BLOCK,).
        means: one block of each plane, filtered both ways, (2·PLANES·BLOCK,).
        factors: products of factors, (6·BLOCK,).
    """

    pixels: Buffer
    filtered: Buffer
    columns: Buffer
    means: Buffer
    factors: Buffer


_MANTISSA = np.int64(0x000FFFFFFFFFFFFF)
_ONE = np.int64(0x3FF0000000000000)


def _compiled(function: Function) -> Function:
    compiled = njit(nogil=True, cache=True, fastmath=_FAST, error_model="numpy")(function)
    return cast(Function, compiled)


@_compiled
def centre(image: Batch, out: Image) -> None:
    """Copy an image (H, W) of any dtype to float64 with mid-grey at 0."""
    for i in range(image.shape[0]):
        row, target = image[i], out[i]
        for j in range(image.shape[1]):
            target[j] = row[j] - MID_GREY


@_compiled
def texture(image: Image) -> tuple[float, float, float]:
    """Sum the squared row and column differences and the gradient magnitudes of (H, W)."""
    height, width = image.shape
    across = down = slope = 0.0
    for i in range(height):
        row = image[i]
        above, below = image[max(i - 1, 0)], image[min(i + 1, height - 1)]
        step = 0.5 if 0 < i < height - 1 else 1.0
        for j in range(width - 1):
            across += (row[j + 1] - row[j]) ** 2
        for j in range(width):
            down += (below[j] - row[j]) ** 2
        for j in range(1, width - 1):
            gx, gy = 0.5 * (row[j + 1] - row[j - 1]), step * (below[j] - above[j])
            slope += np.sqrt(0.5 * (gx * gx + gy * gy))
        for edge, left, right in ((0, 0, 1), (width - 1, width - 2, width - 1)):
            gx, gy = row[right] - row[left], step * (below[edge] - above[edge])
            slope += np.sqrt(0.5 * (gx * gx + gy * gy))
    return across, down, slope


@_compiled
def products(x: Image, y: Image, z: Image) -> tuple[float, float, float, float]:
    """Sum x, x², x·y and x·z over three images (H, W)."""
    plain = square = first = second = 0.0
    for i in range(x.shape[0]):
        u, v, w = x[i], y[i], z[i]
        for j in range(x.shape[1]):
            plain += u[j]
            square += u[j] * u[j]
            first += u[j] * v[j]
            second += u[j] * w[j]
    return plain, square, first, second


@_compiled
def lay_out(image: Image, out: Image) -> None:
    """Copy an image (H, W) into strips of SIDE columns, (strips, at least H·SIDE)."""
    whole = image.shape[1] // SIDE
    for i in range(image.shape[0]):
        row = image[i]
        for strip in range(whole):
            source, target = row[strip * SIDE :], out[strip, i * SIDE :]
            for j in range(SIDE):
                target[j] = source[j]
        for j in range(whole * SIDE, image.shape[1]):
            out[whole, i * SIDE + j - whole * SIDE] = row[j]


@_compiled
def halve(image: Image, taps: Buffer, half: Constant, lines: Image, out: Image, rows: int) -> None:
    """Filter an image where the window fits and keep every other row and column.

    Args:
        image: as `lay_out` leaves it.
        taps: the window, (2·len(half) + 1,).
        half: one item per tap left of the centre.
        lines: memory to work in, (3, at least SIDE·strips of the image).
        out: the result likewise; what lies beyond its last column is arbitrary.
        rows: rows of the result.
    """
    reach = len(half)
    line, even, odd = lines[0], lines[1], lines[2]
    for i in range(rows):
        for strip in range(image.shape[0]):
            x, y = image[strip, 2 * i * SIDE :], line[strip * SIDE :]
            for j in range(SIDE):
                total = taps[reach] * x[j + reach * SIDE]
                for t in range(reach):
                    total += taps[t] * (x[j + t * SIDE] + x[j + (2 * reach - t) * SIDE])
                y[j] = total
        for j in range(line.size // 2):
            even[j] = line[2 * j]
            odd[j] = line[2 * j + 1]
        for strip in range(out.shape[0] - 1):
            e, o, y = even[strip * SIDE :], odd[strip * SIDE :], out[strip, i * SIDE :]
            for j in range(SIDE):
                centre = e[j + reach // 2] if reach % 2 == 0 else o[j + reach // 2]
                total = taps[reach] * centre
                for t in range(reach):
                    u = reach - (t + 1) // 2
                    if t % 2 == 0:
                        total += taps[t] * (e[j + t // 2] + e[j + u])
                    else:
                        total += taps[t] * (o[j + t // 2] + o[j + u])
                y[j] = total


@_compiled
def _filter(lines: Buffer, taps: Buffer, half: Constant, out: Buffer) -> None:
    """Filter 2·SIDE lines of SIDE numbers, lying one after another, to the SIDE first windows."""
    reach = len(half)
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


@_compiled
def _multiply(x: Buffer, y: Buffer, out: Buffer) -> None:
    for j in range(2 * BLOCK):
        out[j] = x[j] * y[j]


@_compiled
def _down(
    pixels: Buffer, scratch: Scratch, taps: Buffer, half: Constant, plane: int, slot: int
) -> None:
    """Filter pixels down their columns into a plane's columns, transposed."""
    _filter(pixels, taps, half, scratch.filtered)
    begin = (plane * KEPT + slot) * BLOCK
    for row in range(0, SIDE, LANES):
        for column in range(0, SIDE, LANES):
            start, target = row * SIDE + column, begin + column * SIDE + row
            transpose_lanes(scratch.filtered, start, scratch.columns, target, SIDE)


@_compiled
def _across(scratch: Scratch, taps: Buffer, half: Constant, plane: int, slot: int) -> None:
    """Filter a block of columns, with the next, into the means of their plane."""
    columns = scratch.columns[(plane * KEPT + slot) * BLOCK :]
    _filter(columns, taps, half, scratch.means[plane * BLOCK :])


@_compiled
def _blank(means: Buffer, rows: int, columns: int) -> None:
    """Make windows beyond the image flat, which counts for nothing."""
    for plane in range(2 * PLANES):
        block = means[plane * BLOCK :]
        for column in range(SIDE):
            for row in range(SIDE):
                if column >= columns or row >= rows:
                    block[column * SIDE + row] = 0.0


@_compiled
def _keep_source(means: Buffer, maps: Buffer, held: Buffer) -> None:
    """Store means and variances of one block of windows and multiply up what the sources hold."""
    for j in range(2 * BLOCK):
        mean = means[j]
        variance = means[j + 2 * BLOCK] - mean * mean
        variance = 0.0 if variance < FLAT else variance
        maps[j] = mean
        maps[j + 2 * BLOCK] = variance
        held[j] *= 1.0 + variance / NOISE


@_compiled
def _keep_fused(means: Buffer, maps: Buffer, kept: Buffer) -> None:
    """Multiply up, for one block of windows, both parts of 1 + g²σ²ᵣ/(σ²ᵥ + 2)."""
    for source in range(0, 2 * BLOCK, BLOCK):
        products, local, factors = means[source + 2 * BLOCK :], maps[source:], kept[source:]
        for j in range(BLOCK):
            mean = means[j]
            fused = means[j + BLOCK] - mean * mean
            shared = products[j] - local[j] * mean
            variance = local[j + 2 * BLOCK]
            gain = shared / (variance + FLAT)
            residual = fused - gain * shared
            lost = (variance == 0.0) | (gain < 0.0)
            blank = fused < FLAT
            gain = 0.0 if lost | blank else gain
            residual = fused if lost else residual
            residual = FLAT if blank | (residual < FLAT) else residual
            noise = residual + NOISE
            factors[j] *= noise + gain * gain * variance
            factors[j + 2 * BLOCK] *= noise


@_compiled
def _normalise(bits: Bits) -> int:
    """Take the exponents out of BLOCK positive float64 numbers, given by their bits; sum them."""
    exponents = 0
    for j in range(BLOCK):
        exponents += (bits[j] >> 52) - 1023
        bits[j] = (bits[j] & _MANTISSA) | _ONE
    return exponents


@_compiled
def _log(factors: Buffer) -> float:
    """Sum the logarithms of BLOCK numbers in [1, 2)."""
    product = 1.0
    for j in range(BLOCK):
        product *= factors[j]
    return float(np.log(product))


@_compiled
def _carry(columns: Buffer) -> None:
    """Move the last kept block of each plane to the first place."""
    for plane in range(2 * PLANES):
        first = columns[plane * KEPT * BLOCK :]
        last = first[(KEPT - 1) * BLOCK :]
        for j in range(BLOCK):
            first[j] = last[j]


@_compiled
def compare(
    f: Image,
    a: Image,
    b: Image,
    height: int,
    width: int,
    taps: Buffer,
    half: Constant,
    scratch: Scratch,
    maps: Image,
    fresh: bool,
) -> Buffer:
    """Compare a fused image with its sources at one scale.

    Args:
        f: fused, as `lay_out` leaves it, (strips(width), (height + SIDE)·SIDE).
        a: infrared, likewise.
        b: visible, likewise.
        height: rows of the images.
        width: columns of the images.
        taps: the window, (2·len(half) + 1,).
        half: one item per tap left of the centre, at most SIDE / 2.
        scratch: memory to work in.
        maps: means and variances of the sources, (blocks, PLANES·BLOCK). With as many rows as there
            are blocks they serve the next fused image; one is enough for one.
        fresh: the sources are new: compute their maps rather than read them.

    Returns:
        (4,): Σ log(1 + g²σ²ᵣ / (σ²ᵥ + 2)) for infrared and for visible, then Σ log(1 + σ²ᵣ / 2) for
        both, which is 0 unless fresh.
    """
    reach = len(half)
    rows, columns = height - 2 * reach, width - 2 * reach
    blocks = (columns + SIDE - 1) // SIDE
    pixels, means, factors = scratch.pixels, scratch.means, scratch.factors
    bits = factors.view(np.int64)
    exponents = np.zeros(6, np.int64)
    factors[:] = 1.0
    done = 0
    for top in range(0, rows, SIDE):
        slot = 0
        for block in range(blocks + 1):
            if slot == KEPT:
                _carry(scratch.columns)
                slot = 1
            start = top * SIDE
            fused, infrared, visible = f[block, start:], a[block, start:], b[block, start:]
            if fresh:
                _down(infrared, scratch, taps, half, 0, slot)
                _down(visible, scratch, taps, half, 1, slot)
                _multiply(infrared, infrared, pixels)
                _down(pixels, scratch, taps, half, 2, slot)
                _multiply(visible, visible, pixels)
                _down(pixels, scratch, taps, half, 3, slot)
            _down(fused, scratch, taps, half, 4, slot)
            _multiply(fused, fused, pixels)
            _down(pixels, scratch, taps, half, 5, slot)
            _multiply(fused, infrared, pixels)
            _down(pixels, scratch, taps, half, 6, slot)
            _multiply(fused, visible, pixels)
            _down(pixels, scratch, taps, half, 7, slot)
            slot += 1
            if block == 0:
                continue
            for plane in range(0 if fresh else PLANES, 2 * PLANES):
                _across(scratch, taps, half, plane, slot - 2)
            below, beyond = rows - top, columns - (block - 1) * SIDE
            if below < SIDE or beyond < SIDE:
                _blank(means, below, beyond)
            kept = maps[done % maps.shape[0]]
            if fresh:
                _keep_source(means, kept, factors[4 * BLOCK :])
            _keep_fused(means[PLANES * BLOCK :], kept, factors)
            done += 1
            if done % RESCALE == 0:
                for k in range(6):
                    exponents[k] += _normalise(bits[k * BLOCK :])
    logs = np.zeros(6)
    for k in range(6):
        exponents[k] += _normalise(bits[k * BLOCK :])
        logs[k] = _log(factors[k * BLOCK :])
    ln2 = np.log(2.0)
    sums = np.empty(4)
    for k in range(2):
        above, below = k, 2 + k
        sums[k] = (exponents[above] - exponents[below]) * ln2 + (logs[above] - logs[below])
        sums[2 + k] = exponents[4 + k] * ln2 + logs[4 + k]
    return sums
