"""Compiled loops of the two gradient-transfer metrics, one line of pixels at a time.

The arithmetic is that of `metrics.qabf` and `metrics.nabf`. Arc tangent and exponential are the
rational approximations of the Cephes library (Moshier, 1989), exact to a few units of the last
digit: unlike calls of a library, loops over them compile to vector instructions.
"""

import math

import numpy as np
from numpy.typing import NDArray

from ..nabf import EXPONENT, FLOOR, THRESHOLD
from ..shared.arrays import Batch
from .compiler import compiled, compiled_exactly, compiled_into_callers
from .scratch import Buffer

assert EXPONENT == 1.5, "the loop multiplies by the root"

HALF_PI, QUARTER_PI = math.pi / 2, math.pi / 4
EIGHTH = math.tan(math.pi / 8)
LOG2_E = math.log2(math.e)
# ln 2 in two parts, of which the first has few digits.
LN2_HIGH, LN2_LOW = 6.93145751953125e-1, 1.42860682030941723212e-6

Lines = NDArray[np.float64]


@compiled_into_callers
def _load(image: Batch, row: int, mirrored: bool, line: Buffer) -> None:
    """Copy one row of (H, W) with one pixel more at both ends, zeros or mirrored ones."""
    height, width = image.shape
    inside = 0 <= row < height
    if not inside and not mirrored:
        line[:] = 0.0
        return
    source = row if inside else min(1, height - 1) if row < 0 else max(height - 2, 0)
    pixels = image[source]
    for j in range(width):
        line[j + 1] = pixels[j]
    line[0] = pixels[min(1, width - 1)] if mirrored else 0.0
    line[width + 1] = pixels[max(width - 2, 0)] if mirrored else 0.0


@compiled_exactly
def _slopes(rows: Lines, row: int, across: Buffer, down: Buffer, strength: Buffer) -> None:
    """Compute the Sobel responses of a row, which `rows` holds between its neighbours.

    Both metrics treat equal strengths apart: they must be equal here where they are by definition.
    """
    above, here, below = rows[row % 3], rows[(row + 1) % 3], rows[(row + 2) % 3]
    for j in range(len(across)):
        right = above[j + 2] + 2.0 * here[j + 2] + below[j + 2]
        left = above[j] + 2.0 * here[j] + below[j]
        bottom = below[j] + 2.0 * below[j + 1] + below[j + 2]
        top = above[j] + 2.0 * above[j + 1] + above[j + 2]
        x, y = right - left, bottom - top
        across[j], down[j], strength[j] = x, y, np.sqrt(x * x + y * y)


@compiled_into_callers
def _arctangent(above: Buffer, below: Buffer, upright: float, out: Buffer) -> None:
    """Compute atan(above / below) in [−π/2, π/2], 0 for 0/0.

    `upright`, if it is not 0, is the angle wherever `below` is 0.
    """
    for j in range(len(out)):
        p, q = abs(above[j]), abs(below[j])
        larger, smaller = max(p, q), min(p, q)
        # Divisions take most of the time: both cases of the reduction share one.
        turned = smaller > EIGHTH * larger
        upper = smaller - larger if turned else smaller
        lower = smaller + larger if turned else larger
        t = upper / lower if larger > 0.0 else 0.0
        z = t * t
        upper = -8.750608600031904122785e-1 * z - 1.615753718733365076637e1
        upper = (upper * z - 7.500855792314704667340e1) * z - 1.228866684490136173410e2
        upper = upper * z - 6.485021904942025371773e1
        lower = (z + 2.485846490142306297962e1) * z + 1.650270098316988542046e2
        lower = (lower * z + 4.328810604912902668951e2) * z + 4.853903996359136964868e2
        lower = lower * z + 1.945506571482613964425e2
        angle = t + t * z * upper / lower
        angle = angle + QUARTER_PI if turned else angle
        angle = HALF_PI - angle if p > q else angle
        angle = -angle if (above[j] < 0.0) != (below[j] < 0.0) else angle
        out[j] = upright if (q == 0.0) & (upright != 0.0) else angle


@compiled_into_callers
def _sigmoid(x: Buffer, whole: Buffer, bits: NDArray[np.int64]) -> None:
    """Replace x by the numerator of 1 / (1 + eˣ), and put the denominator into `whole`.

    `bits` are those of `whole`.
    """
    for j in range(len(x)):
        value = min(max(x[j], -300.0), 300.0)
        n = np.floor(value * LOG2_E + 0.5)
        x[j] = (value - n * LN2_HIGH) - n * LN2_LOW
        bits[j] = (np.int64(n) + 1023) << 52
    for j in range(len(x)):
        r = x[j]
        z = r * r
        odd = 1.26177193074810590878e-4 * z + 3.02994407707441961300e-2
        odd = r * (odd * z + 9.99999999999999999910e-1)
        even = (3.00198505138664455042e-6 * z + 2.52448340349684104192e-3) * z
        even = (even + 2.27265548208155028766e-1) * z + 2.0
        x[j] = even - odd
        whole[j] = (even - odd) + (even + odd) * whole[j]


@compiled_into_callers
def _edges(
    image: Batch,
    row: int,
    mirrored: bool,
    rows: Lines,
    strength: Buffer,
    angle: Buffer,
    work: Lines,
) -> None:
    """Compute strength and orientation of one row; `rows` holds the two that the last call read."""
    if row == 0:
        _load(image, -1, mirrored, rows[0])
        _load(image, 0, mirrored, rows[1])
    _load(image, row + 1, mirrored, rows[(row + 2) % 3])
    across, down = work[0], work[1]
    _slopes(rows, row, across, down, strength)
    if mirrored:
        _arctangent(across, down, 0.0, angle)
    else:
        _arctangent(down, across, -HALF_PI, angle)


@compiled_into_callers
def _preserved(
    s: Lines, f: Lines, artefacts: bool, out: Buffer, work: Lines, bits: NDArray[np.int64]
) -> None:
    """Compute Qˢ of one row from strength and orientation of source and fused image.

    If `artefacts` is set, it is the 1 − Qˢ of `metrics.nabf` instead. `bits` are those of the last
    two lines of `work`.
    """
    ratio, turn = work[0], work[1]
    for j in range(len(out)):
        weaker, stronger = min(s[0, j], f[0, j]), max(s[0, j], f[0, j])
        turned = abs(s[1, j] - f[1, j])
        if artefacts:
            part = weaker / stronger if stronger > 0.0 else 0.0
            ratio[j] = -19.0 * (part - 0.5)
            turn[j] = -22.0 * (abs(turned - HALF_PI) / HALF_PI - 0.5)
        else:
            part = weaker / stronger if weaker != stronger else stronger
            ratio[j] = -15.0 * (part - 0.5)
            turn[j] = -22.0 * (1.0 - turned / HALF_PI - 0.8)
    _sigmoid(ratio, work[2], bits[0])
    _sigmoid(turn, work[3], bits[1])
    for j in range(len(out)):
        product = ratio[j] * turn[j] / (work[2, j] * work[3, j])
        if artefacts:
            out[j] = 1.0 - np.sqrt(0.9999 * 0.9995 * product)
        else:
            out[j] = 0.9994 * 0.9879 * product


@compiled_into_callers
def _weigh(edges: NDArray[np.float64], artefacts: bool, weights: Lines) -> float:
    """Compute the weights of both sources in one row from their strengths; return their sum."""
    total = 0.0
    for source in range(2):
        for j in range(weights.shape[1]):
            weight = edges[source, 0, j]
            if artefacts:
                weight /= 8.0
                weight = FLOOR if weight < THRESHOLD else weight * np.sqrt(weight)
            weights[source, j] = weight
            total += weight
    return total


@compiled_into_callers
def _add(edges: NDArray[np.float64], artefacts: bool, kept: Lines, weights: Lines) -> float:
    """Sum one row with its weights; artefacts are edges stronger than those of both sources."""
    total = 0.0
    for j in range(kept.shape[1]):
        value = kept[0, j] * weights[0, j] + kept[1, j] * weights[1, j]
        own = edges[2, 0, j]
        counts = (own > edges[0, 0, j]) & (own > edges[1, 0, j])
        total += 0.0 if artefacts & (not counts) else value
    return total


@compiled
def edge_sums(fused: Batch, a: Batch, b: Batch, artefacts: bool) -> NDArray[np.float64]:
    """Sum what each of (n, H, W) fused images keeps of the sources' edges, and all these edges.

    If `artefacts` is set, sum the weights of edges that neither source has, and all weights.

    Returns:
        (n, 2).
    """
    count, height, width = fused.shape
    rows, edges = np.zeros((count + 2, 3, width + 2)), np.zeros((3, 2, width))
    work, kept, weights = np.zeros((4, width)), np.zeros((2, width)), np.zeros((2, width))
    bits, found = work[2:].view(np.int64), np.zeros((count, 2))
    for row in range(height):
        _edges(a, row, artefacts, rows[0], edges[0, 0], edges[0, 1], work)
        _edges(b, row, artefacts, rows[1], edges[1, 0], edges[1, 1], work)
        found[:, 1] += _weigh(edges, artefacts, weights)
        for index in range(count):
            f = fused[index]
            _edges(f, row, artefacts, rows[index + 2], edges[2, 0], edges[2, 1], work)
            for source in range(2):
                _preserved(edges[source], edges[2], artefacts, kept[source], work, bits)
            found[index, 0] += _add(edges, artefacts, kept, weights)
    return found
