"""The bilinear resize that some public evaluators apply before they measure."""

import numpy as np
from numpy.typing import ArrayLike

from .errors import MetricError
from .shared.arrays import Batch, Values, as_batch

LARGEST_SIDE = 8192
"""Pixels of the largest side; one image of it already has half a gigabyte."""


def bilinear(images: ArrayLike, size: tuple[int, int]) -> Batch:
    """Resize a batch as OpenCV's INTER_LINEAR does floats: two taps per axis, without smoothing.

    From (B, H, W) on the 0-255 scale to (B, *size) float64, not rounded.

    Raises:
        MetricError: the array is not such a batch, or a side of the result is below 1 px or
            above `LARGEST_SIDE`.
    """
    if min(size) < 1 or max(size) > LARGEST_SIDE:
        raise MetricError(f"resize: a side must have 1 px to {LARGEST_SIDE} px, got {size}")
    batch = as_batch(images, "resize")
    rows = _interpolate(batch.astype(np.float64), size[0], axis=1)
    return _interpolate(rows, size[1], axis=2)


def _interpolate(batch: Values, count: int, axis: int) -> Values:
    length = batch.shape[axis]
    position = np.clip((np.arange(count) + 0.5) * (length / count) - 0.5, 0, length - 1)
    lower = np.floor(position).astype(np.intp)
    upper = np.minimum(lower + 1, length - 1)
    weight = np.expand_dims(position - lower, 1) if axis == 1 else position - lower
    low, high = batch.take(lower, axis), batch.take(upper, axis)
    return np.asarray(low + (high - low) * weight)
