"""N^AB/F, the share of edges in the fused image that neither source has."""

import math

import numpy as np
from numpy.typing import ArrayLike

from metrics.arrays import Image, Values, per_image
from metrics.edges import Edges, sobel

THRESHOLD = 2.0
FLOOR = 0.001
EXPONENT = 1.5


def nabf(fused: ArrayLike, infrared: ArrayLike, visible: ArrayLike) -> Values:
    """Measure the artefacts of fusion: smaller is better.

    N = Σ n ((1 − Qᴵ) wᴵ + (1 − Qⱽ) wⱽ) / Σ (wᴵ + wⱽ), n marking pixels whose fused Sobel strength
    exceeds both sources', Qˢ = √(Q_g Q_α) the preservation of strength and orientation, and w the
    source's strength to the power 1.5, or 0.001 below strength 2 (Petrović and Xydeas, IEEE ICCV
    2005, as modified by Kumar, Signal, Image and Video Processing 7(6), 2013).

    Args:
        fused: (B, H, W) on the 0-255 scale.
        infrared: (B, H, W) likewise.
        visible: (B, H, W) likewise.

    Returns:
        (B,) float64, in [0, 1].

    Raises:
        MetricError: the arrays are not three equal batches on the 0-255 scale.
    """
    return per_image(added_edges, fused, infrared, visible, metric="nabf")


def _edges(image: Image) -> Edges:
    across, down = sobel(image, "reflect")
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.where((across == 0) & (down == 0), 0, across / down)
    return Edges(np.hypot(across, down) / 8, np.arctan(slope))


def _lost(source: Edges, fused: Edges) -> Image:
    weaker = np.minimum(source.strength, fused.strength)
    stronger = np.maximum(source.strength, fused.strength)
    ratio = np.divide(weaker, stronger, out=np.zeros_like(weaker), where=stronger > 0)
    turn = np.abs(source.orientation - fused.orientation)
    agreement = np.abs(turn - np.pi / 2) * (2 / np.pi)
    strength = 0.9999 / (1 + np.exp(-19 * (ratio - 0.5)))
    orientation = 0.9995 / (1 + np.exp(-22 * (agreement - 0.5)))
    return np.asarray(1 - np.sqrt(strength * orientation))


def added_edges(fused: Image, infrared: Image, visible: Image, floor: float = FLOOR) -> float:
    """Measure `nabf` of one triple (H, W), with another weight of edges below the threshold."""
    f, a, b = _edges(fused), _edges(infrared), _edges(visible)
    weights = [np.where(s.strength < THRESHOLD, floor, s.strength**EXPONENT) for s in (a, b)]
    total = float((weights[0] + weights[1]).sum())
    added = (f.strength > a.strength) & (f.strength > b.strength)
    lost = _lost(a, f) * weights[0] + _lost(b, f) * weights[1]
    return float((lost * added).sum()) / total if total > 0 else math.nan
