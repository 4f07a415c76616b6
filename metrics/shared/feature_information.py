"""Feature mutual information of small windows, which three metrics share."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from .arrays import Image, Values

# Side of a window, and the smallest image that holds one.
SIDE = 3
COUNT = SIDE * SIDE

# Windows that are computed at once: arrays this small stay in the processor's cache.
CHUNK = 2048


def feature_information(fused: Image, infrared: Image, visible: Image) -> float:
    """Average the normalised mutual information of feature maps (h, w) over both sources.

    Each 3×3 window is stretched to 0-1 and divided by its sum; the results are the distributions of
    two variables with nine values, in column order. Their joint distribution is a mixture of the
    independent one and of a Fréchet bound, the upper one where the windows correlate positively and
    the lower one elsewhere, such that it has the windows' correlation. As in the authors' code, the
    weights may leave [0, 1], and a negative share p enters the entropy as −p log₂|p|. Equal windows
    count as 1; of two that hold no information, equal distributions as 1 and different ones as 0.
    """
    f, a, b = (_windows(image) for image in (fused, infrared, visible))
    total = 0.0
    for start in range(0, f.shape[1], CHUNK):
        chunk = np.s_[:, start : start + CHUNK]
        shares = _distribution(f[chunk])
        total += float(_information(a[chunk], f[chunk], shares).sum())
        total += float(_information(b[chunk], f[chunk], shares).sum())
    return total / (2 * int(f.shape[1]))


def _windows(image: Image) -> Values:
    """Return all windows of an image, (9, count), each in column order."""
    views = sliding_window_view(image, (SIDE, SIDE)).transpose(3, 2, 0, 1)
    return np.ascontiguousarray(views.reshape(COUNT, -1))


def _distribution(windows: Values) -> Values:
    low, high = windows.min(axis=0), windows.max(axis=0)
    scaled = np.divide(windows - low, high - low, out=np.ones_like(windows), where=high > low)
    return np.asarray(scaled / scaled.sum(axis=0))


def _information(source: Values, fused: Values, q: Values) -> Values:
    p = _distribution(source)
    apart = _entropy(p) + _entropy(q)
    shared = 2 * (apart - _joint_entropy(p, q))
    ratio = np.divide(shared, apart, out=(p == q).all(axis=0).astype(float), where=apart > 0)
    return np.where((source == fused).all(axis=0), 1, ratio)


def _joint_entropy(p: Values, q: Values) -> Values:
    correlation = _correlation(p, q)
    above, below = np.cumsum(p, axis=0), np.cumsum(q, axis=0)
    upper = correlation >= 0
    bounds = [np.zeros_like(q)]
    for row in above:
        bound = np.where(upper, np.minimum(row, below), np.maximum(row + below - 1, 0))
        bounds.append(bound)
    # The sum of the differences of two cumulative distributions is their covariance.
    covariance = np.sum(bounds, axis=(0, 1)) - above.sum(axis=0) * below.sum(axis=0)
    wanted = correlation * _deviation(p) * _deviation(q)
    weight = np.divide(wanted, covariance, out=np.zeros_like(wanted), where=covariance != 0)
    total = np.zeros_like(wanted)
    for share, before, bound in zip(p, bounds, bounds[1:], strict=False):
        dependent = bound - before
        dependent[1:] -= dependent[:-1].copy()
        total += _entropy(weight * dependent + (1 - weight) * share * q)
    return total


def _correlation(p: Values, q: Values) -> Values:
    p, q = p - 1 / COUNT, q - 1 / COUNT
    above = (p * q).sum(axis=0)
    below = np.sqrt((p * p).sum(axis=0) * (q * q).sum(axis=0))
    return np.asarray(np.divide(above, below, out=np.zeros_like(above), where=below > 0))


def _deviation(p: Values) -> Values:
    values = np.arange(COUNT)
    return np.sqrt(np.maximum(values**2 @ p - (values @ p) ** 2, 0))


def _entropy(p: Values) -> Values:
    size = np.abs(p)
    return np.asarray(-(p * np.log2(np.where(size > 0, size, 1))).sum(axis=0))
