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
def _slopes(rows: Lines, across: Buffer, down: Buffer, strength: Buffer) -> None:
    """Compute the Sobel responses of the middle of three rows, and their strength.

    Both metrics treat equal strengths apart: they must be equal here where they are by definition.
    """
    above, here, below = rows[0], rows[1], rows[2]
    for j in range(len(across)):
        right = above[j + 2] + 2.0 * here[j + 2] + below[j + 2]
        left = above[j] + 2.0 * here[j] + below[j]
        bottom = below[j] + 2.0 * below[j + 1] + below[j + 2]
        top = above[j] + 2.0 * above[j + 1] + above[j + 2]
        x, y = right - left, bottom - top
        across[j], down[j], strength[j] = x, y, np.sqrt(x * x + y * y)


@compiled_into_callers
def _arctangent(above: Buffer, below: Buffer, out: Buffer) -> None:
    """Compute atan(above / below) in [−π/2, π/2], 0 for 0/0."""
    for j in range(len(out)):
        p, q = abs(above[j]), abs(below[j])
        larger, smaller = max(p, q), min(p, q)
        t = smaller / larger if larger > 0.0 else 0.0
        turned = t > EIGHTH
        t = (t - 1.0) / (t + 1.0) if turned else t
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
        out[j] = -angle if (above[j] < 0.0) != (below[j] < 0.0) else angle


@compiled_into_callers
def _sigmoid(x: Buffer, powers: Buffer, bits: NDArray[np.int64]) -> None:
    """Replace x by 1 / (1 + eˣ); `bits` are those of `powers`."""
    for j in range(len(x)):
        value = min(max(x[j], -700.0), 700.0)
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
        x[j] = 1.0 / (1.0 + (1.0 + 2.0 * odd / (even - odd)) * powers[j])


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
    """Compute strength and orientation of one row; the rows above it are those of the last call."""
    if row == 0:
        _load(image, -1, mirrored, rows[0])
        _load(image, 0, mirrored, rows[1])
    else:
        rows[0, :] = rows[1]
        rows[1, :] = rows[2]
    _load(image, row + 1, mirrored, rows[2])
    across, down = work[0], work[1]
    _slopes(rows, across, down, strength)
    if mirrored:
        _arctangent(across, down, angle)
    else:
        _arctangent(down, across, angle)
        for j in range(len(angle)):
            angle[j] = -HALF_PI if across[j] == 0.0 else angle[j]


@compiled_into_callers
def _preserved(s: Lines, f: Lines, out: Buffer, work: Lines, bits: NDArray[np.int64]) -> None:
    """Compute Qˢ of one row from strength and orientation of source and fused image."""
    ratio, turn = work[0], work[1]
    for j in range(len(out)):
        weaker, stronger = min(s[0, j], f[0, j]), max(s[0, j], f[0, j])
        part = weaker / stronger if weaker != stronger else stronger
        ratio[j] = -15.0 * (part - 0.5)
        agreement = 1.0 - abs(s[1, j] - f[1, j]) / HALF_PI
        turn[j] = -22.0 * (agreement - 0.8)
    _sigmoid(ratio, work[2], bits)
    _sigmoid(turn, work[2], bits)
    for j in range(len(out)):
        out[j] = 0.9994 * ratio[j] * (0.9879 * turn[j])


@compiled_into_callers
def _lost(s: Lines, f: Lines, out: Buffer, work: Lines, bits: NDArray[np.int64]) -> None:
    """Compute 1 − Qˢ of one row, as `metrics.nabf` defines it."""
    ratio, turn = work[0], work[1]
    for j in range(len(out)):
        weaker, stronger = min(s[0, j], f[0, j]), max(s[0, j], f[0, j])
        part = weaker / stronger if stronger > 0.0 else 0.0
        ratio[j] = -19.0 * (part - 0.5)
        agreement = abs(abs(s[1, j] - f[1, j]) - HALF_PI) / HALF_PI
        turn[j] = -22.0 * (agreement - 0.5)
    _sigmoid(ratio, work[2], bits)
    _sigmoid(turn, work[2], bits)
    for j in range(len(out)):
        out[j] = 1.0 - np.sqrt(0.9999 * ratio[j] * (0.9995 * turn[j]))


@compiled
def transfer(fused: Batch, a: Batch, b: Batch) -> NDArray[np.float64]:
    """Sum what each of (n, H, W) fused images keeps of the sources' edges, and all these edges.

    Returns:
        (n, 2).
    """
    count, height, width = fused.shape
    rows, edges = np.zeros((count + 2, 3, width + 2)), np.zeros((3, 2, width))
    work, kept = np.zeros((3, width)), np.zeros((2, width))
    bits, found = work[2].view(np.int64), np.zeros((count, 2))
    for row in range(height):
        _edges(a, row, False, rows[0], edges[0, 0], edges[0, 1], work)
        _edges(b, row, False, rows[1], edges[1, 0], edges[1, 1], work)
        for index in range(count):
            f = fused[index]
            _edges(f, row, False, rows[index + 2], edges[2, 0], edges[2, 1], work)
            _preserved(edges[0], edges[2], kept[0], work, bits)
            _preserved(edges[1], edges[2], kept[1], work, bits)
            above = below = 0.0
            for j in range(width):
                first, second = edges[0, 0, j], edges[1, 0, j]
                above += kept[0, j] * first + kept[1, j] * second
                below += first + second
            found[index, 0] += above
            found[index, 1] += below
    return found


@compiled
def artefacts(fused: Batch, a: Batch, b: Batch) -> NDArray[np.float64]:
    """Sum the weights of edges of (n, H, W) fused images that neither source has, and all weights.

    Returns:
        (n, 2).
    """
    count, height, width = fused.shape
    rows, edges = np.zeros((count + 2, 3, width + 2)), np.zeros((3, 2, width))
    work, lost = np.zeros((3, width)), np.zeros((2, width))
    bits, found = work[2].view(np.int64), np.zeros((count, 2))
    for row in range(height):
        _edges(a, row, True, rows[0], edges[0, 0], edges[0, 1], work)
        _edges(b, row, True, rows[1], edges[1, 0], edges[1, 1], work)
        for index in range(count):
            f = fused[index]
            _edges(f, row, True, rows[index + 2], edges[2, 0], edges[2, 1], work)
            _lost(edges[0], edges[2], lost[0], work, bits)
            _lost(edges[1], edges[2], lost[1], work, bits)
            above = below = 0.0
            for j in range(width):
                own, x, y = edges[2, 0, j], edges[0, 0, j] / 8.0, edges[1, 0, j] / 8.0
                first = FLOOR if x < THRESHOLD else x * np.sqrt(x)
                second = FLOOR if y < THRESHOLD else y * np.sqrt(y)
                added = (own > edges[0, 0, j]) & (own > edges[1, 0, j])
                above += lost[0, j] * first + lost[1, j] * second if added else 0.0
                below += first + second
            found[index, 0] += above
            found[index, 1] += below
    return found
