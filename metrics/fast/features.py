"""Compiled loop of the three metrics of feature mutual information, one row of windows at a time.

The arithmetic is that of `metrics.shared.feature_information`; each line holds one number per
window of the row. The logarithm is the rational approximation of the Cephes library (Moshier,
1989), exact to a few units of the last digit: unlike calls of a library, loops over it compile to
vector instructions.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..shared.arrays import Image
from ..shared.feature_information import COUNT, SIDE
from .compiler import compiled, compiled_exactly, compiled_into_callers
from .scratch import Buffer

LOG2_E = math.log2(math.e)
ROOT = math.sqrt(2)
_MANTISSA = np.int64(0x000FFFFFFFFFFFFF)
_ONE = np.int64(0x3FF0000000000000)

Lines = NDArray[np.float64]


class Windows(NamedTuple):
    """The windows of one row.

    Attributes:
        pixels: (9, w), in column order.
        shares: the windows as distributions, (9, w).
        below: the cumulative distributions, (9, w).
        norm: root of the summed squares of the shares' distances from 1/9, (w,).
        deviation: standard deviation of the variable with the values 0 to 8, (w,).
        entropy: entropy in bits, (w,).
    """

    pixels: Lines
    shares: Lines
    below: Lines
    norm: Buffer
    deviation: Buffer
    entropy: Buffer


@compiled_into_callers
def _empty(width: int) -> Windows:
    lines = np.empty((3, COUNT, width))
    rest = np.empty((3, width))
    return Windows(lines[0], lines[1], lines[2], rest[0], rest[1], rest[2])


@compiled_into_callers
def _add_entropy(shares: Buffer, sizes: Buffer, bits: NDArray[np.int64], out: Buffer) -> None:
    """Add −p log₂|p| for every share p to `out`; `bits` are those of `sizes`."""
    for j in range(len(out)):
        sizes[j] = abs(shares[j])
    for j in range(len(out)):
        exponent = np.float64((bits[j] >> 52) - 1023)
        bits[j] = (bits[j] & _MANTISSA) | _ONE
        out[j] -= shares[j] * exponent if shares[j] != 0.0 else 0.0
    for j in range(len(out)):
        large = sizes[j] > ROOT
        x = (0.5 * sizes[j] if large else sizes[j]) - 1.0
        z = x * x
        upper = 1.01875663804580931796e-4 * x + 4.97494994976747001425e-1
        upper = (upper * x + 4.70579119878881725854) * x + 1.44989225341610930846e1
        upper = (upper * x + 1.79368678507819816313e1) * x + 7.70838733755885391666
        lower = (x + 1.12873587189167450590e1) * x + 4.52279145837532221105e1
        lower = (lower * x + 8.29875266912776603211e1) * x + 7.11544750618563894466e1
        lower = lower * x + 2.31251620126765340583e1
        logarithm = x + (x * z * upper / lower - 0.5 * z)
        out[j] -= shares[j] * (logarithm * LOG2_E + (1.0 if large else 0.0))


@compiled_exactly
def _distribute(image: Image, row: int, windows: Windows, low: Buffer, high: Buffer) -> None:
    """Read the windows of a row, stretch each to 0-1, and divide it by its sum."""
    pixels, shares = windows.pixels, windows.shares
    for k in range(COUNT):
        line = image[row + k % SIDE]
        for j in range(len(low)):
            value = line[j + k // SIDE]
            pixels[k, j] = value
            low[j] = value if k == 0 or value < low[j] else low[j]
            high[j] = value if k == 0 or value > high[j] else high[j]
    for k in range(COUNT):
        for j in range(len(low)):
            span = high[j] - low[j]
            shares[k, j] = (pixels[k, j] - low[j]) / span if span > 0.0 else 1.0
    total = low
    total[:] = 0.0
    for k in range(COUNT):
        for j in range(len(low)):
            total[j] += shares[k, j]
    for k in range(COUNT):
        for j in range(len(low)):
            shares[k, j] /= total[j]


@compiled_exactly
def _describe(windows: Windows) -> None:
    """Compute cumulative distributions, norms and deviations from the shares."""
    shares, below, norm, deviation = windows.shares, windows.below, windows.norm, windows.deviation
    for j in range(len(norm)):
        mean = square = distance = together = 0.0
        for k in range(COUNT):
            share = shares[k, j]
            together += share
            below[k, j] = together
            mean += k * share
            square += k * k * share
            distance += (share - 1 / COUNT) * (share - 1 / COUNT)
        norm[j] = distance
        deviation[j] = np.sqrt(max(square - mean * mean, 0.0))


@compiled_exactly
def _weigh(p: Windows, q: Windows, correlation: Buffer, weight: Buffer) -> None:
    """Compute the correlation of two rows of windows, and the weight of their Fréchet bound."""
    for j in range(len(weight)):
        shared = 0.0
        for k in range(COUNT):
            shared += (p.shares[k, j] - 1 / COUNT) * (q.shares[k, j] - 1 / COUNT)
        size = np.sqrt(p.norm[j] * q.norm[j])
        correlation[j] = shared / size if size > 0.0 else 0.0
    covariance = weight
    first, second = np.zeros(len(weight)), np.zeros(len(weight))
    covariance[:] = 0.0
    for k in range(COUNT):
        for j in range(len(weight)):
            first[j] += p.below[k, j]
            second[j] += q.below[k, j]
        for other in range(COUNT):
            for j in range(len(weight)):
                covariance[j] += _bound(p.below[k, j], q.below[other, j], correlation[j])
    for j in range(len(weight)):
        found = covariance[j] - first[j] * second[j]
        wanted = correlation[j] * p.deviation[j] * q.deviation[j]
        weight[j] = wanted / found if found != 0.0 else 0.0


@compiled_exactly
def _bound(p: float, q: float, correlation: float) -> float:
    return min(p, q) if correlation >= 0.0 else max(p + q - 1.0, 0.0)


@compiled_into_callers
def _add_information(p: Windows, q: Windows, work: Lines, bits: NDArray[np.int64]) -> float:
    """Sum the normalised mutual information of two rows of windows.

    `bits` are those of the last line of `work`.
    """
    correlation, weight, together, share, left, total, sizes = (
        work[0], work[1], work[2], work[3], work[4], work[5], work[6],
    )  # fmt: skip
    _weigh(p, q, correlation, weight)
    together[:] = 0.0
    for k in range(COUNT):
        left[:] = 0.0
        for other in range(COUNT):
            for j in range(len(share)):
                above = _bound(p.below[k - 1, j], q.below[other, j], correlation[j])
                above = 0.0 if k == 0 else above
                step = _bound(p.below[k, j], q.below[other, j], correlation[j]) - above
                dependent, left[j] = step - left[j], step
                apart = p.shares[k, j] * q.shares[other, j]
                share[j] = weight[j] * dependent + (1.0 - weight[j]) * apart
            _add_entropy(share, sizes, bits, together)
    same, alike = left, total
    same[:] = 1.0
    alike[:] = 1.0
    for k in range(COUNT):
        for j in range(len(share)):
            same[j] = same[j] if p.pixels[k, j] == q.pixels[k, j] else 0.0
            alike[j] = alike[j] if p.shares[k, j] == q.shares[k, j] else 0.0
    found = 0.0
    for j in range(len(share)):
        apart = p.entropy[j] + q.entropy[j]
        ratio = 2.0 * (apart - together[j]) / apart if apart > 0.0 else alike[j]
        found += 1.0 if same[j] != 0.0 else ratio
    return found


@compiled
def information(fused: Image, a: Image, b: Image) -> float:
    """Average the normalised mutual information of maps (h, w) over windows and both sources."""
    rows, columns = fused.shape[0] - SIDE + 1, fused.shape[1] - SIDE + 1
    f, first, second = _empty(columns), _empty(columns), _empty(columns)
    work = np.empty((7, columns))
    bits = work[6].view(np.int64)
    total = 0.0
    for row in range(rows):
        for image, windows in ((fused, f), (a, first), (b, second)):
            _distribute(image, row, windows, work[0], work[1])
            _describe(windows)
            windows.entropy[:] = 0.0
            for k in range(COUNT):
                _add_entropy(windows.shares[k], work[6], bits, windows.entropy)
        for source in (first, second):
            total += _add_information(source, f, work, bits)
    return float(total / (2 * rows * columns))
