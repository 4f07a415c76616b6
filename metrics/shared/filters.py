"""Separable windows that the local-statistics metrics share."""

import numpy as np
from numpy.lib.stride_tricks import as_strided

from .arrays import Image, Values

# Number of rows of a band matrix.
BLOCK = 16


def gaussian(size: int, sigma: float) -> Values:
    """Return the (size,) taps of a Gaussian window that sums to 1.

    The outer product of the taps with themselves is the two-dimensional window of the papers.
    """
    offsets = np.arange(size) - (size - 1) / 2
    taps = np.exp(-0.5 * (offsets / sigma) ** 2)
    return np.asarray(taps / taps.sum())


def filter_valid(images: Image, taps: Values, step: int = 1) -> Image:
    """Filter images with a window along both axes, where it fits entirely.

    Args:
        images: (..., H, W) float64.
        taps: (n,), symmetric.
        step: keep every step-th row and column of the result.

    Returns:
        (..., ceil((H - n + 1) / step), ceil((W - n + 1) / step)) float64.
    """
    rows = _filter_rows(images, taps, step)
    return _filter_rows(rows.swapaxes(-1, -2), taps, step).swapaxes(-1, -2)


def _filter_rows(images: Image, taps: Values, step: int) -> Image:
    # One call computes all products with a narrow band matrix. This is twice as fast as
    # scipy.ndimage.correlate1d at 17 taps, and threads seldom wait for the interpreter's lock.
    *stack, height, width = images.shape
    count = (height - len(taps)) // step + 1
    whole = count - count % BLOCK
    band = np.zeros((BLOCK, (BLOCK - 1) * step + len(taps)))
    for row in range(BLOCK):
        band[row, row * step : row * step + len(taps)] = taps
    filtered = np.empty((*stack, count, width))
    *strides, down, across = images.strides
    windows = as_strided(
        images,
        (*stack, whole // BLOCK, band.shape[1], width),
        (*strides, BLOCK * step * down, down, across),
    )
    blocks = filtered[..., :whole, :].reshape(*stack, whole // BLOCK, BLOCK, width)
    np.matmul(band, windows, out=blocks)
    if whole < count:
        rest = images[..., whole * step :, :]
        span = (count - whole - 1) * step + len(taps)
        np.matmul(band[: count - whole, :span], rest[..., :span, :], out=filtered[..., whole:, :])
    return filtered
