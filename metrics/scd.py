"""SCD, sum of the correlations of differences."""

import math

import numpy as np
from numpy.typing import ArrayLike

from metrics.arrays import Image, Values, per_image, sum_of_products

# Below this standard deviation, in grey levels, an image is flat. One pixel that differs by one
# level in an image of 10¹² pixels is above it; what float64 rounding leaves of a flat image is not.
FLAT_LEVELS = 1e-7


def scd(fused: ArrayLike, infrared: ArrayLike, visible: ArrayLike) -> Values:
    """Measure how much of each source the fused image adds to the other.

    SCD = r(F − V, I) + r(F − I, V), r being Pearson's correlation over the image and the
    differences real numbers (Aslantas and Bendes, AEU 69(12), 2015, Eqs. 5-7).

    Args:
        fused: (B, H, W) on the 0-255 scale.
        infrared: (B, H, W) likewise.
        visible: (B, H, W) likewise.

    Returns:
        (B,) float64 in [−2, 2]; NaN where a source or one of the differences is flat, as when the
        fused image equals a source.

    Raises:
        MetricError: the arrays are not three equal batches on the 0-255 scale.
    """
    return per_image(difference_correlations, fused, infrared, visible, metric="scd")


def scd_uint8(fused: ArrayLike, infrared: ArrayLike, visible: ArrayLike) -> Values:
    """Measure `scd` with negative differences clipped to 0, as MATLAB does to uint8 images.

    Arguments, errors and range are those of `scd`.
    """
    return per_image(_scd_uint8, fused, infrared, visible, metric="scd_uint8")


def pearson(x: Image, y: Image) -> float:
    """Correlate two images (H, W); NaN when either is flat."""
    x, y = x - x.mean(), y - y.mean()
    xx, yy, xy = (sum_of_products(*pair) for pair in ((x, x), (y, y), (x, y)))
    if min(xx, yy) <= x.size * FLAT_LEVELS**2:
        return float("nan")
    return correlation(xy, xx, yy)


def correlation(xy: float, xx: float, yy: float) -> float:
    """Divide a covariance by the root of both variances; rounding must not leave [−1, 1]."""
    value = xy / math.sqrt(xx * yy)
    # In this order NaN stays what it is.
    return min(max(value, -1.0), 1.0)


def difference_correlations(fused: Image, infrared: Image, visible: Image) -> float:
    """Measure `scd` of one triple of float64 images (H, W)."""
    return pearson(fused - visible, infrared) + pearson(fused - infrared, visible)


def _scd_uint8(fused: Image, infrared: Image, visible: Image) -> float:
    beyond_visible = np.maximum(fused - visible, 0)
    beyond_infrared = np.maximum(fused - infrared, 0)
    return pearson(beyond_visible, infrared) + pearson(beyond_infrared, visible)
