"""RMSE, distance of the fused image from its sources."""

import math

import numpy as np

from .metric import Metric
from .shared.arrays import Image


def root_mean_squared_error(fused: Image, infrared: Image, visible: Image) -> float:
    """Average the root of the mean squared error over both sources, in grey levels."""
    return sum(math.sqrt(float(np.mean((fused - s) ** 2))) for s in (infrared, visible)) / 2


METRIC = Metric(
    name="rmse",
    title="Root of the mean squared error",
    define=root_mean_squared_error,
    larger_is_better=False,
    range=(0.0, 255.0),
    unit="grey levels",
    formula="(√ mean (F − I)² + √ mean (F − V)²) / 2",
    citation="Jagalingam & Hegde, Aquat. Procedia 4, 2015",
    equals=("none: VIFB takes the norm over H·W for it, as its dialect does",),
    fast=lambda pair: sum(map(math.sqrt, pair.squared_errors())) / 2,
    place=19,
)
