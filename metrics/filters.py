"""Separable windows that the local-statistics metrics share."""

import numpy as np

from metrics.arrays import Image, Values


def gaussian(size: int, sigma: float) -> Values:
    """Give the (size,) taps of a Gaussian window that sums to 1.

    The outer product of the taps with themselves is the two-dimensional window of the papers.
    """
    offsets = np.arange(size) - (size - 1) / 2
    taps = np.exp(-0.5 * (offsets / sigma) ** 2)
    return np.asarray(taps / taps.sum())


def uniform(size: int) -> Values:
    """Give the (size,) taps of a flat window that sums to 1."""
    return np.full(size, 1 / size)


def filter_valid(image: Image, taps: Values) -> Image:
    """Filter (H, W) with a symmetric odd window along both axes, where it fits entirely.

    Returns:
        (H - n + 1, W - n + 1) float64 for n taps.
    """
    # scipy.ndimage costs more to import than everything else here: pay for it on first use.
    from scipy.ndimage import correlate1d

    reach = len(taps) // 2
    rows = correlate1d(image, taps, axis=0)[reach : image.shape[0] - reach]
    both = correlate1d(rows, taps, axis=1)
    return np.asarray(both[:, reach : image.shape[1] - reach])
