"""Q^AB/F, the share of edge information that reaches the fused image."""

import math

import numpy as np
from numpy.typing import ArrayLike

from metrics.arrays import Image, Values, per_image
from metrics.edges import Edges, sobel


def qabf(fused: ArrayLike, infrared: ArrayLike, visible: ArrayLike) -> Values:
    """Measure how well edges of the sources are preserved in strength and orientation.

    Q = Σ (Qᴵ gᴵ + Qⱽ gⱽ) / Σ (gᴵ + gⱽ), where g is the Sobel strength and Qˢ the product of two
    sigmoids: 0.9994 / (1 + e^(−15 (G − 0.5))) of the ratio of strengths G and 0.9879 / (1 + e^(−22
    (A − 0.8))) of the agreement in orientation A (Xydeas and Petrović, Electronics Letters 36(4),
    2000). As in every public implementation, the image is surrounded by zeros, and equal strengths
    take the strength itself for G instead of 1.

    Args:
        fused: (B, H, W) on the 0-255 scale.
        infrared: (B, H, W) likewise.
        visible: (B, H, W) likewise.

    Returns:
        (B,) float64, in [0, 1); NaN where both sources are black.

    Raises:
        MetricError: the arrays are not three equal batches on the 0-255 scale.
    """
    return per_image(_qabf, fused, infrared, visible, metric="qabf")


def _edges(image: Image) -> Edges:
    across, down = sobel(image, "constant")
    slope = np.divide(down, -across, out=np.full_like(down, np.inf), where=across != 0)
    return Edges(np.hypot(across, down), np.arctan(slope))


def _preserved(source: Edges, fused: Edges) -> Image:
    weaker = np.minimum(source.strength, fused.strength)
    stronger = np.maximum(source.strength, fused.strength)
    ratio = np.divide(weaker, stronger, out=stronger.copy(), where=weaker != stronger)
    agreement = 1 - np.abs(source.orientation - fused.orientation) * (2 / np.pi)
    strength = 0.9994 / (1 + np.exp(-15 * (ratio - 0.5)))
    orientation = 0.9879 / (1 + np.exp(-22 * (agreement - 0.8)))
    return np.asarray(strength * orientation)


def _qabf(fused: Image, infrared: Image, visible: Image) -> float:
    f, a, b = _edges(fused), _edges(infrared), _edges(visible)
    total = float(np.sum(a.strength + b.strength))
    kept = _preserved(a, f) * a.strength + _preserved(b, f) * b.strength
    return float(kept.sum()) / total if total > 0 else math.nan
