"""Compiled loops of the VIF and the VIFF; the arithmetic is that of their definitions.

Factors are multiplied, and the exponents of the products are removed from time to time; this
replaces one logarithm per pixel by a few per scale.
"""

import numpy as np
from numpy.typing import NDArray

from ..shared.arrays import Batch, Image
from ..shared.moments import FLAT
from ..vif import NOISE
from ..viff import NOISE as VIFF_NOISE
from .compiler import compiled, compiled_into_callers
from .intrinsics import borrow
from .scratch import BLOCK, PLANES, SIDE, Buffer, Scratch, Window
from .windows import FUSED, SOURCES, borrowed, lay_out, means_before, next_block

# Products of factors per block: four for what the VIF keeps of a fused image and three for the
# VIFF. The two of what the sources hold take the first places of their own row.
PRODUCTS = 7
# Blocks between two extractions of exponents: each factor is below 2^15, so 60 stay below 2^901.
RESCALE = 60

Bits = NDArray[np.int64]

_MANTISSA = np.int64(0x000FFFFFFFFFFFFF)
_ONE = np.int64(0x3FF0000000000000)


@compiled
def halved(images: Batch, window: Window, lines: Image) -> NDArray[np.float64]:
    """Filter images (n, H, W) where the window fits, and keep every other row and column."""
    lines, taps, reach = borrow(lines), borrow(window.taps), len(window.half)
    line, even, odd = lines[0], lines[1], lines[2]
    count, height, width = images.shape
    rows, columns = (height - 2 * reach - 1) // 2 + 1, (width - 2 * reach - 1) // 2 + 1
    out = np.empty((count, rows, columns))
    for index in range(count):
        image = images[index]
        for i in range(rows):
            for j in range(width):
                total = taps[reach] * image[2 * i + reach, j]
                for t in range(reach):
                    pair = np.float64(image[2 * i + t, j]) + image[2 * i + 2 * reach - t, j]
                    total += taps[t] * pair
                line[j] = total
            for j in range((width + 1) // 2):
                even[j] = line[2 * j]
                odd[j] = line[2 * j + 1]
            y = out[index, i]
            for j in range(columns):
                centre = even[j + reach // 2] if reach % 2 == 0 else odd[j + reach // 2]
                total = taps[reach] * centre
                for t in range(reach):
                    u = reach - (t + 1) // 2
                    if t % 2 == 0:
                        total += taps[t] * (even[j + t // 2] + even[j + u])
                    else:
                        total += taps[t] * (odd[j + t // 2] + odd[j + u])
                y[j] = total
    return out


@compiled_into_callers
def _keep_source(means: Buffer, kept: Buffer, held: Buffer) -> None:
    """Store means and variances of one block of windows, and multiply the sources' factors."""
    for j in range(2 * BLOCK):
        mean = means[j]
        variance = means[j + 2 * BLOCK] - mean * mean
        variance = 0.0 if variance < FLAT else variance
        kept[j] = mean
        kept[j + 2 * BLOCK] = variance
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
def _keep_fused(means: Buffer, sources: Buffer, kept: Buffer) -> None:
    """Multiply, for one block of windows, both parts of the factors 1 + g²σ²ᵣ/(σ²ᵥ + 2)."""
    for j in range(BLOCK):
        mean = means[j]
        fused = means[j + BLOCK] - mean * mean
        first, second = sources[j + 2 * BLOCK], sources[j + 3 * BLOCK]
        # One division serves two gains.
        inverse = 1.0 / ((first + FLAT) * (second + FLAT))
        shared = means[j + 2 * BLOCK] - sources[j] * mean
        above, below = _kept(fused, first, shared, shared * (second + FLAT) * inverse)
        kept[j] *= above
        kept[j + 2 * BLOCK] *= below
        shared = means[j + 3 * BLOCK] - sources[j + BLOCK] * mean
        above, below = _kept(fused, second, shared, shared * (first + FLAT) * inverse)
        kept[j + BLOCK] *= above
        kept[j + 3 * BLOCK] *= below


@compiled_into_callers
def _keep_viff(means: Buffer, sources: Buffer, kept: Buffer) -> None:
    """Multiply the factors of `metrics.viff`: both parts of what is kept, and what is held."""
    for j in range(BLOCK):
        mean = means[j]
        fused = means[j + BLOCK] - mean * mean
        first, second = sources[j + 2 * BLOCK], sources[j + 3 * BLOCK]
        gain0, residual0 = _regress(fused, first, means[j + 2 * BLOCK] - sources[j] * mean)
        gain1, residual1 = _regress(fused, second, means[j + 3 * BLOCK] - sources[j + BLOCK] * mean)
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
    """Turn products without exponents, and the exponents, into sums of logarithms."""
    logs = np.zeros(PRODUCTS)
    for k in range(PRODUCTS):
        exponents[k] += _normalise(bits[k * BLOCK :])
        logs[k] = _log(factors[k * BLOCK :])
    logs += exponents * np.log(2.0)
    return logs


@compiled
def fidelities(
    fused: Batch, a: Batch, b: Batch, window: Window, scratch: Scratch, viff: bool
) -> NDArray[np.float64]:
    """Compare fused images (n, H, W) with both sources (H, W) at one scale.

    Returns:
        (n, 6): Σ log(1 + g²σ²ᵣ / (σ²ᵥ + 2)) for infrared and for visible, then Σ log(1 + σ²ᵣ / 2)
        for both, and the two sums of `metrics.viff`, which are 0 unless `viff`.
    """
    scratch, window = borrowed(scratch), Window(borrow(window.taps), window.half)
    count, height, width = fused.shape
    reach, bands = len(window.half), scratch.bands
    rows, columns = height - 2 * reach, width - 2 * reach
    blocks = (columns + SIDE - 1) // SIDE
    kept = np.empty((blocks, PLANES * BLOCK))
    # The first row belongs to the sources.
    factors = np.ones((count + 1, PRODUCTS * BLOCK))
    bits, exponents = factors.view(np.int64), np.zeros((count + 1, PRODUCTS), np.int64)
    done = 0
    for top in range(0, rows, SIDE):
        lay_out(a, top, scratch.lines, bands[0])
        lay_out(b, top, scratch.lines, bands[1])
        for index in range(count + 1):
            if index > 0:
                lay_out(fused[index - 1], top, scratch.lines, bands[2])
            first = FUSED if index > 0 else SOURCES
            products = borrow(factors[index])
            slot = next_block(bands, 0, 0, first, window, scratch)
            for block in range(blocks):
                slot = next_block(bands, block + 1, slot, first, window, scratch)
                inside = rows - top, columns - block * SIDE
                means = means_before(slot, first, inside, window, scratch)
                of_block = borrow(kept[block])
                if index == 0:
                    _keep_source(means, of_block, products)
                else:
                    _keep_fused(means, of_block, products)
                    if viff:
                        _keep_viff(means, of_block, products[4 * BLOCK :])
                if (done + block) % RESCALE == RESCALE - 1:
                    for k in range(PRODUCTS):
                        exponents[index, k] += _normalise(bits[index, k * BLOCK :])
        done += blocks
    held = _sums(factors[0], bits[0], exponents[0])
    found = np.empty((count, 6))
    for index in range(count):
        logs = _sums(factors[index + 1], bits[index + 1], exponents[index + 1])
        found[index, 0], found[index, 1] = logs[0] - logs[2], logs[1] - logs[3]
        found[index, 2], found[index, 3] = held[0], held[1]
        found[index, 4], found[index, 5] = logs[4] - logs[5], logs[6]
    return found
