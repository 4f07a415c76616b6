"""AG, average gradient: the mean slope of the fused image."""

import math
from dataclasses import replace

import numpy as np

from .metric import Metric
from .shared.arrays import Image


def average_gradient(fused: Image, infrared: Image, visible: Image) -> float:
    """Average √((gx² + gy²) / 2) over all H·W pixels, 0 for a flat image.

    Differences are central and become one-sided at the border, as in the CDDFuse evaluator.
    """
    rows, columns = np.gradient(fused)
    rows *= rows
    columns *= columns
    rows += columns
    return float(np.sqrt(rows / 2).mean())


def _over_inner_pixels(fused: Image, infrared: Image, visible: Image) -> float:
    """Divide the sum by (H−1)·(W−1), the other divisor in use."""
    height, width = map(int, fused.shape)
    mean = average_gradient(fused, infrared, visible)
    return mean * (height * width / ((height - 1) * (width - 1)))


METRIC = Metric(
    name="ag",
    title="Average gradient",
    define=average_gradient,
    range=(0.0, 255.0),
    unit="grey levels per pixel",
    formula="Σ √((gx² + gy²) / 2) / (H·W), central differences, one-sided at the border",
    citation="Cui et al., Opt. Commun. 341, 2015",
    equals=("CDDFuse AG", "FreeFusion AG", "IVIF_ZOO AG"),
    minimum=2,
    fast=lambda pair: pair.ag(),
    place=2,
)
VARIANTS = (
    replace(
        METRIC,
        name="ag_mn1",
        title="Average gradient, other divisor",
        define=_over_inner_pixels,
        range=(0.0, math.inf),
        formula="Σ √((gx² + gy²) / 2) / ((H−1)·(W−1))",
        equals=("Linfeng-Tang AG", "VIFB average gradient", "thfylsty avg_gradient"),
    ),
)
