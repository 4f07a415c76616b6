"""Compiled loops of the four paper metrics; the arithmetic is that of their definitions.

Every image is float64 with mid-grey at 0, which leaves all values as they are and keeps sums over
8-bit images exact. The loops release the interpreter lock and are cached on disk.

Why they are written as they are: images are worked on in strips of columns, in flat buffers whose
row length `TILE` is a constant, so that the rows under a window lie at constant distances. `half`
and `strip` are tuples whose length alone counts: it is part of a function's type, hence a constant
to the compiler, which then unrolls the loop over taps and vectorises the loop over columns (four
times faster than with lengths known at run time). Products of many factors, their exponents taken
out from time to time, replace one logarithm a pixel by a few hundred an image.

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
from metrics.vif import NOISE

# Row length of the buffers; its odd number of cache lines avoids set conflicts.
TILE = 328
# Columns of a vector, and vectors of a strip at each scale: one strip spans a 320 px image.
LANES = 8
STRIPS = (38, 19, 9, 5)
# Rows produced at once by a vertical window, which then loads each input row once for all of them.
BLOCK = 4
# Planes filtered together: two means and two squares, or one mean, one square and two products.
PLANES = 4
# Rows between two extractions of exponents: each factor is below 2^15, so 32 stay below 2^480.
RESCALE = 32

_FAST = {"contract", "reassoc", "nsz"}

Buffer = NDArray[np.float64]
Bits = NDArray[np.int64]
Constant = tuple[int, ...]
Function = TypeVar("Function", bound=Callable[..., object])


class Scratch(NamedTuple):
    """Memory that one scale works in, for windows of n taps.

    Attributes:
        rows: one row of each plane, (4·(TILE + n − 1),).
        source_ring: filtered rows of the sources under `BLOCK` windows, twice,
            (4·2·(n − 1 + BLOCK)·TILE,).
        fused_ring: those of the fused image, likewise.
        means: one block of filtered rows, (4·BLOCK·TILE,).
        factors: products of factors a column, (6·TILE,).
    """

    rows: Buffer
    source_ring: Buffer
    fused_ring: Buffer
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
def products(x: Image, y: Image) -> tuple[float, float, float]:
    """Sum x, x² and x·y over two images (H, W)."""
    plain = square = mixed = 0.0
    for i in range(x.shape[0]):
        u, v = x[i], y[i]
        for j in range(x.shape[1]):
            plain += u[j]
            square += u[j] * u[j]
            mixed += u[j] * v[j]
    return plain, square, mixed


@_compiled
def halve(image: Image, taps: Buffer, half: Constant, column: Buffer, out: Image) -> None:
    """Filter (H, W) where the window fits and keep every other row and column."""
    reach = len(half)
    width = image.shape[1]
    for i in range(out.shape[0]):
        middle = image[2 * i + reach]
        for j in range(width):
            column[j] = taps[reach] * middle[j]
        for t in range(reach):
            above, below = image[2 * i + t], image[2 * i + 2 * reach - t]
            for j in range(width):
                column[j] += taps[t] * (above[j] + below[j])
        target = out[i]
        for j in range(out.shape[1]):
            total = taps[reach] * column[2 * j + reach]
            for t in range(reach):
                total += taps[t] * (column[2 * j + t] + column[2 * j + 2 * reach - t])
            target[j] = total


@_compiled
def _horizontal(
    row: Buffer, taps: Buffer, half: Constant, first: Buffer, second: Buffer, strip: Constant
) -> None:
    """Filter one row and write it to both halves of a ring."""
    reach = len(half)
    for j in range(LANES * len(strip)):
        total = taps[reach] * row[j + reach]
        for t in range(reach):
            total += taps[t] * (row[j + t] + row[j + 2 * reach - t])
        first[j] = total
        second[j] = total


@_compiled
def _vertical(ring: Buffer, taps: Buffer, half: Constant, out: Buffer, strip: Constant) -> None:
    """Filter the first rows of `ring` down to `BLOCK` rows of `out`, both of row length TILE."""
    reach = len(half)
    out1, out2, out3 = out[TILE:], out[2 * TILE :], out[3 * TILE :]
    for j in range(LANES * len(strip)):
        total0 = taps[reach] * ring[j + reach * TILE]
        total1 = taps[reach] * ring[j + (reach + 1) * TILE]
        total2 = taps[reach] * ring[j + (reach + 2) * TILE]
        total3 = taps[reach] * ring[j + (reach + 3) * TILE]
        for t in range(reach):
            u = 2 * reach - t
            total0 += taps[t] * (ring[j + t * TILE] + ring[j + u * TILE])
            total1 += taps[t] * (ring[j + (t + 1) * TILE] + ring[j + (u + 1) * TILE])
            total2 += taps[t] * (ring[j + (t + 2) * TILE] + ring[j + (u + 2) * TILE])
            total3 += taps[t] * (ring[j + (t + 3) * TILE] + ring[j + (u + 3) * TILE])
        out[j] = total0
        out1[j] = total1
        out2[j] = total2
        out3[j] = total3


@_compiled
def _normalise(bits: Bits, count: int) -> int:
    """Take the exponents out of positive float64 numbers, given by their bits, and sum them."""
    exponents = 0
    for j in range(count):
        exponents += (bits[j] >> 52) - 1023
        bits[j] = (bits[j] & _MANTISSA) | _ONE
    return exponents


@_compiled
def _log(factors: Buffer, count: int) -> float:
    total = 0.0
    for j in range(count):
        total += np.log(factors[j])
    return total


@_compiled
def _source_rows(a: Image, b: Image, start: int, count: int, rows: Buffer) -> None:
    """Lay out the strips of infrared, visible and their squares that one row needs."""
    x, y = a[start:], b[start:]
    span = rows.size // PLANES
    r1, r2, r3 = rows[span:], rows[2 * span :], rows[3 * span :]
    for j in range(count):
        rows[j] = x[j]
        r1[j] = y[j]
        r2[j] = x[j] * x[j]
        r3[j] = y[j] * y[j]


@_compiled
def _fused_rows(f: Image, a: Image, b: Image, start: int, count: int, rows: Buffer) -> None:
    """Lay out the strips of fused, its square and its products with the sources."""
    x, y, z = f[start:], a[start:], b[start:]
    span = rows.size // PLANES
    r1, r2, r3 = rows[span:], rows[2 * span :], rows[3 * span :]
    for j in range(count):
        rows[j] = x[j]
        r1[j] = x[j] * x[j]
        r2[j] = x[j] * y[j]
        r3[j] = x[j] * z[j]


@_compiled
def _filter_row(
    rows: Buffer,
    taps: Buffer,
    half: Constant,
    ring: Buffer,
    slot: int,
    period: int,
    strip: Constant,
) -> None:
    span, plane = rows.size // PLANES, ring.size // PLANES
    for p in range(PLANES):
        target = ring[p * plane + slot * TILE :]
        _horizontal(rows[p * span :], taps, half, target, target[period * TILE :], strip)


@_compiled
def _filter_block(
    ring: Buffer, slot: int, taps: Buffer, half: Constant, means: Buffer, strip: Constant
) -> None:
    plane = ring.size // PLANES
    for p in range(PLANES):
        window = ring[p * plane + slot * TILE : (p + 1) * plane]
        _vertical(window, taps, half, means[p * BLOCK * TILE :], strip)


@_compiled
def _keep_source(means: Buffer, maps: Buffer, held: Buffer, strip: Constant) -> None:
    """Store means and variances of one row of windows and multiply up what the sources hold."""
    for source in range(2):
        mean_row, square_row = means[source * BLOCK * TILE :], means[(2 + source) * BLOCK * TILE :]
        mean_map, variance_map = maps[source * TILE :], maps[(2 + source) * TILE :]
        factors = held[source * TILE :]
        for j in range(LANES * len(strip)):
            mean = mean_row[j]
            variance = square_row[j] - mean * mean
            variance = 0.0 if variance < FLAT else variance
            mean_map[j] = mean
            variance_map[j] = variance
            factors[j] *= 1.0 + variance / NOISE


@_compiled
def _keep_fused(means: Buffer, maps: Buffer, kept: Buffer, strip: Constant) -> None:
    """Multiply up, for one row of windows, numerators and denominators of 1 + g²σ²ᵣ/(σ²ᵥ + 2)."""
    square_row = means[BLOCK * TILE :]
    for source in range(2):
        shared_row = means[(2 + source) * BLOCK * TILE :]
        mean_map, variance_map = maps[source * TILE :], maps[(2 + source) * TILE :]
        above, below = kept[2 * source * TILE :], kept[(2 * source + 1) * TILE :]
        for j in range(LANES * len(strip)):
            mean = means[j]
            fused = square_row[j] - mean * mean
            shared = shared_row[j] - mean_map[j] * mean
            variance = variance_map[j]
            gain = shared / (variance + FLAT)
            residual = fused - gain * shared
            lost = (variance == 0.0) | (gain < 0.0)
            blank = fused < FLAT
            gain = 0.0 if lost | blank else gain
            residual = fused if lost else residual
            residual = FLAT if blank | (residual < FLAT) else residual
            noise = residual + NOISE
            above[j] *= noise + gain * gain * variance
            below[j] *= noise


@_compiled
def compare(
    f: Image,
    a: Image,
    b: Image,
    taps: Buffer,
    half: Constant,
    strip: Constant,
    scratch: Scratch,
    maps: Buffer,
    fresh: bool,
) -> Buffer:
    """Compare a fused image with its sources at one scale.

    Args:
        f: fused, (H, W) float64 with mid-grey at 0.
        a: infrared, likewise.
        b: visible, likewise.
        taps: the window, (2·len(half) + 1,).
        half: one item per tap left of the centre.
        strip: one item per vector of a strip's columns.
        scratch: memory to work in.
        maps: means and variances of the sources, (strips, rows, 4·TILE). With a row for each row
            of windows they serve the next fused image; `BLOCK` rows are enough for one.
        fresh: the sources are new: compute their maps rather than read them.

    Returns:
        (4,): Σ log(1 + g²σ²ᵣ / (σ²ᵥ + 2)) for infrared and for visible, then Σ log(1 + σ²ᵣ / 2) for
        both, which is 0 unless fresh.
    """
    reach, width, depth = len(half), LANES * len(strip), maps.shape[1]
    period = 2 * reach + BLOCK
    height, windows, columns = a.shape[0], a.shape[0] - 2 * reach, a.shape[1] - 2 * reach
    rows, means, factors = scratch.rows, scratch.means, scratch.factors
    source_ring, fused_ring = scratch.source_ring, scratch.fused_ring
    bits = factors.view(np.int64)
    exponents = np.zeros(6, np.int64)
    logs = np.zeros(6)
    for tile in range(maps.shape[0]):
        start = tile * width
        count = min(width, columns - start)
        span = count + 2 * reach
        factors[:] = 1.0
        filled = 0
        for top in range(0, windows, BLOCK):
            while filled < min(top + period, height):
                slot = filled % period
                if fresh:
                    _source_rows(a[filled], b[filled], start, span, rows)
                    _filter_row(rows, taps, half, source_ring, slot, period, strip)
                _fused_rows(f[filled], a[filled], b[filled], start, span, rows)
                _filter_row(rows, taps, half, fused_ring, slot, period, strip)
                filled += 1
            valid = min(BLOCK, windows - top)
            if fresh:
                _filter_block(source_ring, top % period, taps, half, means, strip)
                for r in range(valid):
                    row = maps[tile, (top + r) % depth]
                    _keep_source(means[r * TILE :], row, factors[4 * TILE :], strip)
            _filter_block(fused_ring, top % period, taps, half, means, strip)
            for r in range(valid):
                _keep_fused(means[r * TILE :], maps[tile, (top + r) % depth], factors, strip)
            if top % RESCALE == RESCALE - BLOCK or top + BLOCK >= windows:
                for k in range(6):
                    exponents[k] += _normalise(bits[k * TILE :], count)
        for k in range(6):
            logs[k] += _log(factors[k * TILE :], count)
    ln2 = np.log(2.0)
    sums = np.empty(4)
    for k in range(2):
        above, below = 2 * k, 2 * k + 1
        sums[k] = (exponents[above] - exponents[below]) * ln2 + (logs[above] - logs[below])
        sums[2 + k] = exponents[4 + k] * ln2 + logs[4 + k]
    return sums
