"""PSNR, peak signal-to-noise ratio against both sources."""

import math

from .metric import Metric
from .mse import squared_error
from .shared.arrays import Image


def signal_to_noise(fused: Image, infrared: Image, visible: Image) -> float:
    """Compute the ratio in decibels; infinite where the fused image equals both sources."""
    return _decibels(squared_error(fused, infrared, visible))


def _decibels(error: float) -> float:
    return 10 * math.log10(255**2 / error) if error > 0 else math.inf


METRIC = Metric(
    name="psnr",
    title="Peak signal-to-noise ratio",
    define=signal_to_noise,
    range=(0.0, math.inf),
    unit="dB",
    formula="10 log₁₀ (255² / mse)",
    citation="Jagalingam & Hegde, Aquat. Procedia 4, 2015",
    equals=("none: each evaluator takes another peak",),
    fast=lambda pair: _decibels(sum(pair.squared_errors()) / 2),
    place=10,
)
