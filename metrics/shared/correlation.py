"""Pearson's correlation of two images, which two metrics share."""

import math

from .arrays import Image, sum_of_products

# An image is flat if its standard deviation, in grey levels, is below this. One pixel that differs
# by one level in an image of 10¹² pixels is above it; what float64 rounding leaves of a flat image
# is not.
FLAT_LEVELS = 1e-7


def pearson(x: Image, y: Image) -> float:
    """Correlate two images (H, W); NaN where either is flat."""
    x, y = x - x.mean(), y - y.mean()
    xx, yy, xy = (sum_of_products(*pair) for pair in ((x, x), (y, y), (x, y)))
    if min(xx, yy) <= x.size * FLAT_LEVELS**2:
        return math.nan
    return correlation(xy, xx, yy)


def correlation(xy: float, xx: float, yy: float) -> float:
    """Divide a covariance by the root of both variances; rounding must not leave [−1, 1]."""
    value = xy / math.sqrt(xx * yy)
    # In this order NaN stays NaN.
    return min(max(value, -1.0), 1.0)
