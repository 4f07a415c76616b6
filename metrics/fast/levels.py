"""Compiled counts of grey levels, from which all metrics of histograms are computed."""

import numpy as np
from numpy.typing import NDArray

from .compiler import compiled

Bytes = NDArray[np.uint8]


@compiled
def count_pairs(x: Bytes, y: Bytes) -> NDArray[np.int64]:
    """Count the pairs of levels of two images (H, W), as (256, 256)."""
    counts = np.zeros((256, 256), np.int64)
    for i in range(x.shape[0]):
        u, v = x[i], y[i]
        for j in range(x.shape[1]):
            counts[u[j], v[j]] += 1
    return counts
