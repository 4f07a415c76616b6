"""Compiled loop of SSIM and MS-SSIM: one pass over the windows for both sources.

The arithmetic is that of `metrics.ssim`. Rows are filtered down into one line per plane, and this
line across; only the last 11 rows of each plane are kept.
"""

import numpy as np
from numpy.typing import NDArray

from ..shared.arrays import Batch
from ..ssim import STABILISERS, WINDOW
from .compiler import compiled, compiled_into_callers
from .scratch import Buffer

# Of the sources a, b, a² and b² are filtered, of a fused image f, f², f·a and f·b.
PLANES = 4
LUMINANCE, CONTRAST = STABILISERS

assert WINDOW == 11, "the loops are unrolled for 11 taps"


@compiled_into_callers
def _sources(a: Buffer, b: Buffer, planes: NDArray[np.float64]) -> None:
    p0, p1, p2, p3 = planes[0], planes[1], planes[2], planes[3]
    for j in range(len(a)):
        x, y = np.float64(a[j]), np.float64(b[j])
        p0[j], p1[j], p2[j], p3[j] = x, y, x * x, y * y


@compiled_into_callers
def _products(f: Buffer, sources: NDArray[np.float64], planes: NDArray[np.float64]) -> None:
    a, b = sources[0], sources[1]
    p0, p1, p2, p3 = planes[0], planes[1], planes[2], planes[3]
    for j in range(len(f)):
        x = np.float64(f[j])
        p0[j], p1[j], p2[j], p3[j] = x, x * x, x * a[j], x * b[j]


@compiled_into_callers
def _down(ring: NDArray[np.float64], first: int, plane: int, taps: Buffer, out: Buffer) -> None:
    """Filter the 11 rows of a plane, of which `first` is the slot of the uppermost."""
    r0, r1, r2 = (
        ring[first % 11, plane],
        ring[(first + 1) % 11, plane],
        ring[(first + 2) % 11, plane],
    )
    r3, r4, r5 = (
        ring[(first + 3) % 11, plane],
        ring[(first + 4) % 11, plane],
        ring[(first + 5) % 11, plane],
    )
    r6, r7, r8 = (
        ring[(first + 6) % 11, plane],
        ring[(first + 7) % 11, plane],
        ring[(first + 8) % 11, plane],
    )
    r9, r10 = ring[(first + 9) % 11, plane], ring[(first + 10) % 11, plane]
    t0, t1, t2, t3, t4, t5 = taps[0], taps[1], taps[2], taps[3], taps[4], taps[5]
    for j in range(len(out)):
        total = t0 * (r0[j] + r10[j]) + t1 * (r1[j] + r9[j]) + t2 * (r2[j] + r8[j])
        out[j] = total + t3 * (r3[j] + r7[j]) + t4 * (r4[j] + r6[j]) + t5 * r5[j]


@compiled_into_callers
def _across(x: Buffer, taps: Buffer, out: Buffer) -> None:
    t0, t1, t2, t3, t4, t5 = taps[0], taps[1], taps[2], taps[3], taps[4], taps[5]
    for j in range(len(out)):
        total = t0 * (x[j] + x[j + 10]) + t1 * (x[j + 1] + x[j + 9]) + t2 * (x[j + 2] + x[j + 8])
        total += t3 * (x[j + 3] + x[j + 7]) + t4 * (x[j + 4] + x[j + 6]) + t5 * x[j + 5]
        out[j] = total


@compiled_into_callers
def _filter(
    ring: NDArray[np.float64], row: int, taps: Buffer, line: Buffer, means: NDArray[np.float64]
) -> None:
    """Filter all planes of a ring, of which `row` is the last row, to one row of windows."""
    for plane in range(PLANES):
        _down(ring, row + 1, plane, taps, line)
        _across(line, taps, means[plane])


@compiled_into_callers
def _add(f: NDArray[np.float64], s: NDArray[np.float64], source: int) -> tuple[float, float]:
    """Sum the similarities to a source and the structures of one row of windows."""
    mean_f, square_f, products = f[0], f[1], f[2 + source]
    mean_s, square_s = s[source], s[2 + source]
    similar = structural = 0.0
    for j in range(len(mean_f)):
        x, y = mean_f[j], mean_s[j]
        means, product = x * x + y * y, x * y
        structure = 2.0 * (products[j] - product) + CONTRAST
        structure /= square_f[j] + square_s[j] - means + CONTRAST
        similar += structure * (2.0 * product + LUMINANCE) / (means + LUMINANCE)
        structural += structure
    return similar, structural


@compiled
def similarities(fused: Batch, a: Batch, b: Batch, taps: Buffer) -> NDArray[np.float64]:
    """Compare fused images (n, H, W) with both sources (H, W).

    Returns:
        (n, 4): the mean similarity to infrared and to visible, then the means of contrast and
        structure.
    """
    count, height, width = fused.shape
    ring, rings = np.empty((11, PLANES, width)), np.empty((count, 11, PLANES, width))
    line, found = np.empty(width), np.zeros((count, 4))
    of_sources, of_fused = np.empty((PLANES, width - 10)), np.empty((PLANES, width - 10))
    for row in range(height):
        _sources(a[row], b[row], ring[row % 11])
        if row >= 10:
            _filter(ring, row, taps, line, of_sources)
        for index in range(count):
            own = rings[index]
            _products(fused[index, row], ring[row % 11], own[row % 11])
            if row >= 10:
                _filter(own, row, taps, line, of_fused)
                for source in range(2):
                    similar, structural = _add(of_fused, of_sources, source)
                    found[index, source] += similar
                    found[index, 2 + source] += structural
    found /= (height - 10) * (width - 10)
    return found
