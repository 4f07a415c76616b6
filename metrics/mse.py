"""MSE, squared distance of the fused image from its sources."""

import numpy as np

from .metric import Metric
from .shared.arrays import Image


def squared_error(fused: Image, infrared: Image, visible: Image) -> float:
    """Average the mean squared error over both sources, in squared grey levels."""
    return float((np.mean((fused - infrared) ** 2) + np.mean((fused - visible) ** 2)) / 2)


METRIC = Metric(
    name="mse",
    title="Mean squared error",
    define=squared_error,
    larger_is_better=False,
    range=(0.0, 255.0**2),
    unit="squared grey levels",
    formula="(mean (F − I)² + mean (F − V)²) / 2",
    citation="Jagalingam & Hegde, Aquat. Procedia 4, 2015",
    equals=("CDDFuse MSE",),
    fast=lambda pair: sum(pair.squared_errors()) / 2,
    place=11,
)
