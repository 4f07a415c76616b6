"""MS-SSIM, structural similarity over five scales, summed over both sources."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from .metric import Metric
from .shared.arrays import Image
from .ssim import WINDOW, similarity

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def multi_scale_similarity(fused: Image, infrared: Image, visible: Image) -> float:
    """Sum the multi-scale structural similarity to both sources."""
    return sum(pair_ms_ssim(fused, source) for source in (infrared, visible))


def mean_of_blocks(image: Image) -> Image:
    """Halve (H, W) by the means of 2×2 pixels, the last row or column of an odd side left out."""
    height, width = (side // 2 for side in image.shape)
    blocks = image[: 2 * height, : 2 * width].reshape(height, 2, width, 2)
    return np.asarray(blocks.mean(axis=(1, 3)))


def pair_ms_ssim(x: Image, y: Image, halve: Callable[[Image], Image] = mean_of_blocks) -> float:
    """Compare two images (H, W); the result lies in [0, 1].

    The value is the product over five scales of the mean contrast-structure term (at the fifth, of
    the mean SSIM) to the power of the scale's weight. Negative terms count as 0. `halve` makes the
    next scale.
    """
    terms = []
    for scale in range(len(WEIGHTS)):
        if scale:
            x, y = halve(x), halve(y)
        similar, structure = similarity(x, y)
        terms.append(similar if scale == len(WEIGHTS) - 1 else structure)
    return product_of_scales(terms)


def product_of_scales(terms: Sequence[float]) -> float:
    """Multiply the terms of five scales, each to the power of its weight; negative ones are 0."""
    weighted = zip(terms, WEIGHTS, strict=True)
    return math.prod(float(max(term, 0.0) ** weight) for term, weight in weighted)


METRIC = Metric(
    name="ms_ssim",
    title="Multi-scale structural similarity, sum over both sources",
    define=multi_scale_similarity,
    range=(0.0, 2.0),
    formula="MS-SSIM(F, I) + MS-SSIM(F, V), five scales",
    citation="Wang, Simoncelli & Bovik, Asilomar Conf., 2003",
    equals=("piq multi_scale_ssim, twice, where all sides are even",),
    # The fifth scale still holds one window.
    minimum=WINDOW * 2 ** (len(WEIGHTS) - 1),
    fast=lambda pair: pair.ms_ssim(),
    place=13,
)
