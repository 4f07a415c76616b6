"""SSIM, structural similarity, summed over both sources."""

import numpy as np

from .metric import Metric
from .shared.arrays import Image
from .shared.filters import filter_valid, gaussian

WINDOW = 11
SIGMA = 1.5
STABILISERS = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def structural_similarity(fused: Image, infrared: Image, visible: Image) -> float:
    """Sum the mean SSIM to both sources; 2 where all three images are equal."""
    return similarity(fused, infrared)[0] + similarity(fused, visible)[0]


def similarity(x: Image, y: Image) -> tuple[float, float]:
    """Compare two images (H, W) under an 11×11 Gaussian window, K = (0.01, 0.03), L = 255.

    Returns:
        The mean over all windows of (2μ₁μ₂ + C₁)(2σ₁₂ + C₂) / ((μ₁² + μ₂² + C₁)(σ₁² + σ₂² + C₂)),
        and the mean of its contrast and structure terms alone.
    """
    taps = gaussian(WINDOW, SIGMA)
    mean_x, mean_y = filter_valid(x, taps), filter_valid(y, taps)
    luminance, contrast = STABILISERS
    variances = filter_valid(x * x + y * y, taps) - mean_x**2 - mean_y**2
    covariance = filter_valid(x * y, taps) - mean_x * mean_y
    structure = (2 * covariance + contrast) / (variances + contrast)
    brightness = (2 * mean_x * mean_y + luminance) / (mean_x**2 + mean_y**2 + luminance)
    return float(np.mean(brightness * structure)), float(np.mean(structure))


METRIC = Metric(
    name="ssim",
    title="Structural similarity, sum over both sources",
    define=structural_similarity,
    range=(-2.0, 2.0),
    formula="SSIM(F, I) + SSIM(F, V), 11×11 Gaussian of σ 1.5",
    citation="Wang et al., IEEE Trans. Image Process. 13(4), 2004",
    equals=("VIFB SSIM", "scikit-image, gaussian_weights, twice"),
    minimum=WINDOW,
    fast=lambda pair: pair.ssim(),
    place=12,
)
