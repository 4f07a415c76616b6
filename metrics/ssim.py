"""SSIM, structural similarity, summed over both sources."""

import numpy as np
from numpy.typing import ArrayLike

from metrics.arrays import Image, Values, per_image
from metrics.filters import filter_valid, gaussian

WINDOW = 11
SIGMA = 1.5
STABILISERS = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def ssim(fused: ArrayLike, infrared: ArrayLike, visible: ArrayLike) -> Values:
    """Measure the structural similarity to the sources, summed over both.

    Per source, the mean over all windows of (2μ₁μ₂ + C₁)(2σ₁₂ + C₂) / ((μ₁² + μ₂² + C₁)(σ₁² + σ₂² +
    C₂)) under an 11×11 Gaussian window of σ 1.5, K = (0.01, 0.03), L = 255 (Wang et al., IEEE
    Transactions on Image Processing 13(4), 2004).

    Args:
        fused: (B, H, W) on the 0-255 scale, at least 11×11 px.
        infrared: (B, H, W) likewise.
        visible: (B, H, W) likewise.

    Returns:
        (B,) float64, in [−2, 2]; 2 where all three images are equal.

    Raises:
        MetricError: the arrays are not three equal batches on the 0-255 scale, or below 11 px.
    """
    return per_image(_ssim, fused, infrared, visible, metric="ssim", minimum=WINDOW)


def similarity(x: Image, y: Image) -> tuple[float, float]:
    """Compare two images (H, W).

    Returns:
        Mean SSIM, and the mean of its contrast and structure terms alone.
    """
    taps = gaussian(WINDOW, SIGMA)
    mean_x, mean_y = filter_valid(x, taps), filter_valid(y, taps)
    luminance, contrast = STABILISERS
    variances = filter_valid(x * x + y * y, taps) - mean_x**2 - mean_y**2
    covariance = filter_valid(x * y, taps) - mean_x * mean_y
    structure = (2 * covariance + contrast) / (variances + contrast)
    brightness = (2 * mean_x * mean_y + luminance) / (mean_x**2 + mean_y**2 + luminance)
    return float(np.mean(brightness * structure)), float(np.mean(structure))


def _ssim(fused: Image, infrared: Image, visible: Image) -> float:
    return similarity(fused, infrared)[0] + similarity(fused, visible)[0]
