"""SF with diagonals, Zheng's extended spatial frequency of the fused image."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from .metric import Metric
from .shared.arrays import Image
from .shared.bands import bands

# A diagonal step is longer by the root of 2.
DIAGONAL = 1 / math.sqrt(2)

Differences = Callable[[Image], Image]
DIRECTIONS: tuple[tuple[float, int, Differences], ...] = (
    (1, 0, lambda image: image[:, 1:] - image[:, :-1]),
    (1, 1, lambda image: image[1:] - image[:-1]),
    (DIAGONAL, 1, lambda image: image[1:, 1:] - image[:-1, :-1]),
    (DIAGONAL, 1, lambda image: image[1:, :-1] - image[:-1, 1:]),
)
"""Weight, number of rows from one pixel to the other, differences of (H, W)."""


def diagonal_frequency(fused: Image, infrared: Image, visible: Image) -> float:
    """Compute √(RF² + CF² + MDF² + SDF²), in grey levels, 0 for a flat image.

    Each term is the sum of squared differences along rows, columns and both diagonals over H·W; the
    diagonal ones are divided by √2.
    """
    return _frequency(lambda differences, band: differences(fused[band]), fused.shape)


def relative_frequency(fused: Image, infrared: Image, visible: Image) -> float:
    """Compare with the frequency of the larger difference of the two sources at each pixel.

    The value is (SF − SFᵣ) / SFᵣ: negative where detail is lost, positive where it is added; NaN
    where both sources are flat.
    """

    def larger(differences: Differences, band: slice) -> Image:
        return np.maximum(np.abs(differences(infrared[band])), np.abs(differences(visible[band])))

    reference = _frequency(larger, fused.shape)
    if reference == 0:
        return math.nan
    return diagonal_frequency(fused, infrared, visible) / reference - 1


def _frequency(differences: Callable[[Differences, slice], Image], shape: tuple[int, ...]) -> float:
    """Sum the squared differences of all directions, which are computed band by band."""
    total = 0.0
    for weight, rows, direction in DIRECTIONS:
        for band in bands(shape[0], rows):
            found = differences(direction, band)
            total += weight * float((found * found).sum())
    return math.sqrt(total / math.prod(shape))


METRIC = Metric(
    name="sf_diagonal",
    title="Spatial frequency with diagonals",
    define=diagonal_frequency,
    range=(0.0, 255 * math.sqrt(2 + math.sqrt(2))),
    unit="grey levels",
    formula="√(Σ ∂x² + Σ ∂y² + (Σ ∂d² + Σ ∂e²)/√2) / √(H·W), d and e the diagonals of F",
    citation="Zheng et al., Inf. Fusion 8(2), 2007",
    equals=("zhengliu6699 metricZheng, its spatial frequency of the fused image",),
    place=24,
)
VARIANTS = (
    replace(
        METRIC,
        name="sf_ratio",
        title="Spatial frequency with diagonals, relative to the sources",
        define=relative_frequency,
        range=(-1.0, math.inf),
        unit="1",
        formula="SF(F)/SFᵣ − 1, SFᵣ from the larger absolute difference of I and V at each pixel",
        equals=("zhengliu6699 metricZheng",),
        undefined="both sources are flat",
    ),
)
