"""Grey-level histograms and their entropies, which four metrics share."""

import numpy as np
from numpy.typing import NDArray

from .arrays import Image, Values

LEVELS = 256

Levels = NDArray[np.intp]
Counts = NDArray[np.intp]


def levels(image: Image) -> Levels:
    """Round an image (H, W) to its 8-bit levels, halves to even, as (H·W,) integers."""
    return np.rint(image).astype(np.intp).ravel()


def histogram(image: Image) -> Counts:
    """Count the levels of an image (H, W), as (256,)."""
    return np.bincount(levels(image), minlength=LEVELS)


def joint_histogram(x: Levels, y: Levels) -> Counts:
    """Count the pairs of levels of two images, as (256·256,)."""
    return np.bincount(x * LEVELS + y, minlength=LEVELS * LEVELS)


def entropy(counts: Counts) -> float:
    """Return the Shannon entropy, in bits, of the distribution with these counts."""
    shares: Values = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log2(shares)).sum() + 0.0)


def mutual_information(x: Image, y: Image) -> float:
    """Return the mutual information, in bits, of the levels of two images (H, W)."""
    return information(joint_histogram(levels(x), levels(y)).reshape(LEVELS, LEVELS))


def joint_entropies(joint: Counts) -> tuple[float, float, float]:
    """Return H(X), H(Y) and H(X, Y), in bits, of the distribution with counts (256, 256)."""
    return entropy(joint.sum(axis=1)), entropy(joint.sum(axis=0)), entropy(joint)


def information(joint: Counts) -> float:
    """Return the mutual information, in bits, of the distribution with counts (256, 256)."""
    return shared(*joint_entropies(joint))


def shared(first: float, second: float, together: float) -> float:
    """Return the mutual information of two variables from their entropies."""
    # Rounding must make it neither negative nor larger than the entropy of one image.
    return max(min(first + second - together, first, second), 0.0)
