"""AG, average gradient: the mean slope of the fused image."""

import numpy as np
from numpy.typing import ArrayLike

from metrics.arrays import Image, Values, per_image


def ag(fused: ArrayLike, infrared: ArrayLike, visible: ArrayLike) -> Values:
    """Measure the average gradient of the fused image.

    AG = mean over all H·W pixels of √((gx² + gy²) / 2), with central differences that become
    one-sided at the border (Cui et al., Optics Communications 341, 2015, in the discretisation of
    the CDDFuse evaluator).

    Args:
        fused: (B, H, W) on the 0-255 scale, at least 2×2 px.
        infrared: (B, H, W); only checked.
        visible: (B, H, W); only checked.

    Returns:
        (B,) float64 in grey levels per pixel, in [0, 255]; 0 for a flat image.

    Raises:
        MetricError: the arrays are not three equal batches on the 0-255 scale.
    """
    return per_image(_ag, fused, infrared, visible, metric="ag", minimum=2)


def ag_mn1(fused: ArrayLike, infrared: ArrayLike, visible: ArrayLike) -> Values:
    """Measure `ag` with the sum divided by (H−1)·(W−1), the other divisor in use.

    Arguments, errors and unit are those of `ag`; the value is exactly H·W / ((H−1)·(W−1)) times it.
    """
    values = ag(fused, infrared, visible)
    height, width = np.shape(fused)[1:]
    return np.asarray(values * (height * width / ((height - 1) * (width - 1))))


def _ag(fused: Image, infrared: Image, visible: Image) -> float:
    rows, columns = np.gradient(fused)
    rows *= rows
    columns *= columns
    rows += columns
    return float(np.sqrt(rows / 2).mean())
