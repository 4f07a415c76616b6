"""MSE, squared distance of the fused image from its sources."""

import numpy as np
from numpy.typing import ArrayLike

from metrics.arrays import Image, Values, per_image


def mse(fused: ArrayLike, infrared: ArrayLike, visible: ArrayLike) -> Values:
    """Measure the mean squared error against the sources, averaged over both.

    MSE = (mean (F − I)² + mean (F − V)²) / 2.

    Args:
        fused: (B, H, W) on the 0-255 scale.
        infrared: (B, H, W) likewise.
        visible: (B, H, W) likewise.

    Returns:
        (B,) float64 in squared grey levels, in [0, 65025]; smaller is better.

    Raises:
        MetricError: the arrays are not three equal batches on the 0-255 scale.
    """
    return per_image(squared_error, fused, infrared, visible, metric="mse")


def squared_error(fused: Image, infrared: Image, visible: Image) -> float:
    """Measure `mse` of one triple of images (H, W)."""
    return float((np.mean((fused - infrared) ** 2) + np.mean((fused - visible) ** 2)) / 2)
