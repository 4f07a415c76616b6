"""SF, spatial frequency: how strongly neighbouring pixels differ."""

import math

import numpy as np
from numpy.typing import ArrayLike

from metrics.arrays import Image, Values, per_image, sum_of_products


def sf(fused: ArrayLike, infrared: ArrayLike, visible: ArrayLike) -> Values:
    """Measure the spatial frequency of the fused image.

    SF = √(RF² + CF²): RF² is the mean squared difference of horizontal neighbours, over the
    H·(W−1) of them, CF² that of vertical neighbours, over (H−1)·W (Eskicioglu and Fisher, IEEE
    Transactions on Communications 43(12), 1995). Zheng et al. (2007), often cited for it, define
    another quantity, a ratio with diagonals.

    Args:
        fused: (B, H, W) on the 0-255 scale, at least 2×2 px.
        infrared: (B, H, W); only checked.
        visible: (B, H, W); only checked.

    Returns:
        (B,) float64 in grey levels, in [0, 255·√2]; 0 for a flat image.

    Raises:
        MetricError: the arrays are not three equal batches on the 0-255 scale.
    """
    return per_image(_sf, fused, infrared, visible, metric="sf", minimum=2)


def _sf(fused: Image, infrared: Image, visible: Image) -> float:
    rows, columns = np.diff(fused, axis=1), np.diff(fused, axis=0)
    row_power = sum_of_products(rows, rows) / rows.size
    return math.sqrt(row_power + sum_of_products(columns, columns) / columns.size)
