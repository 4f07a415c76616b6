"""Compiled loops of the VIF; the arithmetic is that of its definition.

Images are stored as strips of `SIDE` columns, in float64 with mid-grey at 0, which changes no
value of the metric. The loops release the interpreter lock and are cached on disk.

Three choices make them fast. Windows are computed in blocks of `SIDE` rows and columns: a block is
filtered down its columns, transposed, and filtered again, so that both passes read whole aligned
vectors at constant distances and load each of them once for four outputs. Of the tuple
`half` only the length matters: it is part of a function's type, hence a constant to the compiler,
which then unrolls the loop over taps. Factors are multiplied, and the exponents of the products are
removed from time to time; this replaces one logarithm per pixel by a few per scale.

The cache on disk notices changes of this file only. After a change of a constant that is imported,
delete the cache (`metrics/fast/__pycache__`).
"""

import numpy as np
from numpy.typing import NDArray

from ..shared.arrays import Batch, Image
from ..shared.moments import FLAT, MID_GREY
from ..vif import NOISE
from ..viff import NOISE as VIFF_NOISE
from .compiler import compiled, compiled_into_callers
from .intrinsics import LANES, borrow, transpose_lanes
from .scratch import BLOCK, KEPT, PLANES, PRODUCTS, SIDE, Buffer, Constant, Scratch, Window

# The factors of each plane, 0 being infrared, 1 visible and 2 fused; a mean has only one. One loop
# over planes instead of one call per plane keeps the code small enough for the processor's cache.
FACTORS = ((0, -1), (1, -1), (0, 0), (1, 1), (2, -1), (2, 2), (2, 0), (2, 1))
# Blocks between two extractions of exponents: each factor is below 2^15, so 60 stay below 2^901.
RESCALE = 60

Bits = NDArray[np.int64]
# One item for each of the four scales, the finest first.
Windows = tuple[Window, ...]
Scales = tuple[Image, ...]


_MANTISSA = np.int64(0x000FFFFFFFFFFFFF)
_ONE = np.int64(0x3FF0000000000000)


@compiled_into_callers
def _lay_out(image: Batch, lines: Image, out: Image) -> None:
    """Copy an image (H, W) of any dtype into strips, with mid-grey at 0."""
    image, line, out = borrow(image), borrow(lines[0]), borrow(out)
    for i in range(image.shape[0]):
        row = image[i]
        for j in range(image.shape[1]):
            line[j] = row[j] - MID_GREY
        for strip in range(out.shape[0] - 1):
            source, target = line[strip * SIDE :], out[strip, i * SIDE :]
            for j in range(SIDE):
                target[j] = source[j]


@compiled_into_callers
def _halve(image: Image, window: Window, lines: Image, out: Image) -> None:
    """Filter strips where the window fits and keep every other row and column."""
    image, lines, out = borrow(image), borrow(lines), borrow(out)
    taps, reach = borrow(window.taps), len(window.half)
    line, even, odd = lines[0], lines[1], lines[2]
    for i in range(_rows(out)):
        for strip in range(image.shape[0]):
            x, y = image[strip, 2 * i * SIDE :], line[strip * SIDE :]
            for j in range(SIDE):
                total = taps[reach] * x[j + reach * SIDE]
                for t in range(reach):
                    total += taps[t] * (x[j + t * SIDE] + x[j + (2 * reach - t) * SIDE])
                y[j] = total
        for j in range((image.shape[0] * SIDE) // 2):
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


@compiled_into_callers
def _rows(strips: Image) -> int:
    return int(strips.shape[1] // SIDE - SIDE)


@compiled
def prepare(image: Batch, windows: Windows, lines: Image, scales: Scales) -> None:
    """Bring an image (H, W) of any dtype to all scales, one window each.

    The result is at each scale strips of SIDE columns, one of them beyond the image,
    (strips, (H + SIDE)·SIDE), with mid-grey at 0. Values beyond the image are arbitrary.
    """
    _lay_out(image, lines, scales[0])
    _halve(scales[0], windows[1], lines, scales[1])
    _halve(scales[1], windows[2], lines, scales[2])
    _halve(scales[2], windows[3], lines, scales[3])


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
    for plane in range(2 * PLANES):
        block = means[plane * BLOCK :]
        for column in range(SIDE):
            for row in range(SIDE):
                if column >= columns or row >= rows:
                    block[column * SIDE + row] = 0.0


@compiled_into_callers
def _keep_source(means: Buffer, maps: Buffer, held: Buffer) -> None:
    """Store means and variances of one block of windows and multiply the sources' factors."""
    for j in range(2 * BLOCK):
        mean = means[j]
        variance = means[j + 2 * BLOCK] - mean * mean
        variance = 0.0 if variance < FLAT else variance
        maps[j] = mean
        maps[j + 2 * BLOCK] = variance
        held[j] *= 1.0 + variance / NOISE


@compiled_into_callers
def _kept(fused: float, source: float, shared: float, gain: float) -> tuple[float, float]:
    """Return numerator and denominator of one window from variances, covariance and gain."""
    residual = fused - gain * shared
    lost = (source == 0.0) | (gain < 0.0)
    blank = fused < FLAT
    gain = 0.0 if lost | blank else gain
    residual = fused if lost else residual
    residual = FLAT if blank | (residual < FLAT) else residual
    noise = residual + NOISE
    return noise + gain * gain * source, noise


@compiled_into_callers
def _keep_fused(means: Buffer, maps: Buffer, kept: Buffer) -> None:
    """Multiply, for one block of windows, both parts of the factors 1 + g²σ²ᵣ/(σ²ᵥ + 2)."""
    for j in range(BLOCK):
        mean = means[j]
        fused = means[j + BLOCK] - mean * mean
        first, second = maps[j + 2 * BLOCK], maps[j + 3 * BLOCK]
        # One division serves two gains.
        inverse = 1.0 / ((first + FLAT) * (second + FLAT))
        shared = means[j + 2 * BLOCK] - maps[j] * mean
        above, below = _kept(fused, first, shared, shared * (second + FLAT) * inverse)
        kept[j] *= above
        kept[j + 2 * BLOCK] *= below
        shared = means[j + 3 * BLOCK] - maps[j + BLOCK] * mean
        above, below = _kept(fused, second, shared, shared * (first + FLAT) * inverse)
        kept[j + BLOCK] *= above
        kept[j + 3 * BLOCK] *= below


@compiled_into_callers
def _keep_viff(means: Buffer, maps: Buffer, kept: Buffer) -> None:
    """Multiply the factors of `metrics.viff`: both parts of what is kept, and what is held."""
    for j in range(BLOCK):
        mean = means[j]
        fused = means[j + BLOCK] - mean * mean
        first, second = maps[j + 2 * BLOCK], maps[j + 3 * BLOCK]
        gain0, residual0 = _regress(fused, first, means[j + 2 * BLOCK] - maps[j] * mean)
        gain1, residual1 = _regress(fused, second, means[j + 3 * BLOCK] - maps[j + BLOCK] * mean)
        infrared_counts = gain0 < gain1
        gain = gain0 if infrared_counts else gain1
        source = first if infrared_counts else second
        noise = (residual0 if infrared_counts else residual1) + VIFF_NOISE
        kept[j] *= noise + gain * gain * source
        kept[j + BLOCK] *= noise
        kept[j + 2 * BLOCK] *= 1.0 + source / VIFF_NOISE


@compiled_into_callers
def _regress(fused: float, source: float, shared: float) -> tuple[float, float]:
    """Return gain and residual of `metrics.vif.gain_and_residual`."""
    usable = (shared > 0.0) & (source > 0.0) & (fused >= FLAT)
    gain = shared / (source + FLAT) if usable else 0.0
    variance = fused if fused >= FLAT else 0.0
    return gain, max(variance - gain * shared, FLAT)


@compiled_into_callers
def _normalise(bits: Bits) -> int:
    """Remove the exponents of BLOCK positive float64 numbers, given as bits; return their sum."""
    exponents = 0
    for j in range(BLOCK):
        exponents += (bits[j] >> 52) - 1023
        bits[j] = (bits[j] & _MANTISSA) | _ONE
    return exponents


@compiled_into_callers
def _log(factors: Buffer) -> float:
    """Sum the logarithms of BLOCK numbers in [1, 2)."""
    product = 1.0
    for j in range(BLOCK):
        product *= factors[j]
    return float(np.log(product))


@compiled_into_callers
def _sums(factors: Buffer, bits: Bits, exponents: Bits) -> Buffer:
    """Turn products without exponents, and the exponents, into the sums of `compare`."""
    logs = np.zeros(PRODUCTS)
    for k in range(PRODUCTS):
        exponents[k] += _normalise(bits[k * BLOCK :])
        logs[k] = _log(factors[k * BLOCK :])
    logs += exponents * np.log(2.0)
    kept = logs[0] - logs[2], logs[1] - logs[3]
    return np.array([kept[0], kept[1], logs[4], logs[5], logs[6] - logs[7], logs[8]])


@compiled_into_callers
def _carry(columns: Buffer) -> None:
    """Move the last kept block of each plane to the first place."""
    for plane in range(2 * PLANES):
        first = columns[plane * KEPT * BLOCK :]
        last = first[(KEPT - 1) * BLOCK :]
        for j in range(BLOCK):
            first[j] = last[j]


@compiled_into_callers
def _borrow_scratch(scratch: Scratch) -> Scratch:
    pixels, filtered, columns, means, factors, lines = scratch
    arrays = borrow(pixels), borrow(filtered), borrow(columns), borrow(means), borrow(factors)
    return Scratch(*arrays, borrow(lines))


@compiled_into_callers
def _compare(
    f: Image,
    a: Image,
    b: Image,
    width: int,
    window: Window,
    scratch: Scratch,
    maps: Image,
    fresh: bool,
    viff: bool,
) -> Buffer:
    f, a, b, maps = borrow(f), borrow(a), borrow(b), borrow(maps)
    window = Window(borrow(window.taps), window.half)
    scratch = _borrow_scratch(scratch)
    reach, images = len(window.half), (a, b, f)
    rows, columns = _rows(f) - 2 * reach, width - 2 * reach
    blocks = (columns + SIDE - 1) // SIDE
    pixels, means, factors = scratch.pixels, scratch.means, scratch.factors
    bits = factors.view(np.int64)
    exponents = np.zeros(PRODUCTS, np.int64)
    factors[:] = 1.0
    done = 0
    for top in range(0, rows, SIDE):
        slot = 0
        for block in range(blocks + 1):
            if slot == KEPT:
                _carry(scratch.columns)
                slot = 1
            for plane in range(0 if fresh else PLANES, 2 * PLANES):
                x = images[FACTORS[plane][0]][block, top * SIDE :]
                if FACTORS[plane][1] >= 0:
                    _multiply(x, images[FACTORS[plane][1]][block, top * SIDE :], pixels)
                    x = pixels
                _down(x, scratch, window, plane, slot)
            slot += 1
            if block == 0:
                continue
            for plane in range(0 if fresh else PLANES, 2 * PLANES):
                _across(scratch, window, plane, slot - 2)
            below, beyond = rows - top, columns - (block - 1) * SIDE
            if below < SIDE or beyond < SIDE:
                _blank(means, below, beyond)
            kept = maps[done % maps.shape[0]]
            if fresh:
                _keep_source(means, kept, factors[4 * BLOCK :])
            _keep_fused(means[PLANES * BLOCK :], kept, factors)
            if viff:
                _keep_viff(means[PLANES * BLOCK :], kept, factors[6 * BLOCK :])
            done += 1
            if done % RESCALE == 0:
                for k in range(PRODUCTS):
                    exponents[k] += _normalise(bits[k * BLOCK :])
    return _sums(factors, bits, exponents)


@compiled
def compare(
    f: Scales,
    a: Scales,
    b: Scales,
    widths: Constant,
    windows: Windows,
    scratch: Scratch,
    maps: Scales,
    fresh: bool,
    viff: bool,
) -> Buffer:
    """Compare a fused image with its sources, `prepare`d all three, at all scales.

    `widths` are the columns of each scale. `maps` keeps means and variances of the sources,
    (blocks, PLANES·BLOCK), for the next fused image; one row is enough for a single one. They are
    computed if `fresh` says that the sources are new.

    Returns:
        Per scale (4, 6): Σ log(1 + g²σ²ᵣ / (σ²ᵥ + 2)) for infrared and for visible, then
        Σ log(1 + σ²ᵣ / 2) for both, which is 0 unless fresh, and the two sums of `metrics.viff`,
        which are 0 unless `viff`.
    """
    found = np.empty((4, 6))
    found[0] = _compare(f[0], a[0], b[0], widths[0], windows[0], scratch, maps[0], fresh, viff)
    found[1] = _compare(f[1], a[1], b[1], widths[1], windows[1], scratch, maps[1], fresh, viff)
    found[2] = _compare(f[2], a[2], b[2], widths[2], windows[2], scratch, maps[2], fresh, viff)
    found[3] = _compare(f[3], a[3], b[3], widths[3], windows[3], scratch, maps[3], fresh, viff)
    return found
