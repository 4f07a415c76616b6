"""PSNR, peak signal-to-noise ratio against both sources."""

import math

from numpy.typing import ArrayLike

from metrics.arrays import Image, Values, per_image
from metrics.mse import squared_error


def psnr(fused: ArrayLike, infrared: ArrayLike, visible: ArrayLike) -> Values:
    """Measure the peak signal-to-noise ratio.

    PSNR = 10 log₁₀ (255² / MSE), MSE being the mean over both sources, as in `metrics.mse`.

    Args:
        fused: (B, H, W) on the 0-255 scale.
        infrared: (B, H, W) likewise.
        visible: (B, H, W) likewise.

    Returns:
        (B,) float64 in decibels, 0 or more; infinite where the fused image equals both sources.

    Raises:
        MetricError: the arrays are not three equal batches on the 0-255 scale.
    """
    return per_image(_psnr, fused, infrared, visible, metric="psnr")


def _psnr(fused: Image, infrared: Image, visible: Image) -> float:
    error = squared_error(fused, infrared, visible)
    return 10 * math.log10(255**2 / error) if error > 0 else math.inf
