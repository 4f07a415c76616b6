"""Q^AB/F, the share of edge information that reaches the fused image."""

import math

import numpy as np

from .metric import Metric
from .shared.arrays import Image
from .shared.edges import Edges, sobel, strength


def _edges(image: Image) -> Edges:
    across, down = sobel(image, "constant")
    slope = np.divide(down, -across, out=np.full_like(down, np.inf), where=across != 0)
    return Edges(strength(across, down), np.arctan(slope))


def _preserved(source: Edges, fused: Edges) -> Image:
    weaker = np.minimum(source.strength, fused.strength)
    stronger = np.maximum(source.strength, fused.strength)
    ratio = np.divide(weaker, stronger, out=stronger.copy(), where=weaker != stronger)
    agreement = 1 - np.abs(source.orientation - fused.orientation) * (2 / np.pi)
    kept = 0.9994 / (1 + np.exp(-15 * (ratio - 0.5)))
    orientation = 0.9879 / (1 + np.exp(-22 * (agreement - 0.8)))
    return np.asarray(kept * orientation)


def preserved_edges(fused: Image, infrared: Image, visible: Image) -> float:
    """Average, weighted by the sources' Sobel strength g, how well their edges are preserved.

    Qˢ is the product of two sigmoids: 0.9994 / (1 + e^(−15 (G − 0.5))) of the ratio of strengths G
    and 0.9879 / (1 + e^(−22 (A − 0.8))) of the agreement in orientation A. As in every public
    implementation, zeros surround the image, and equal strengths take the strength itself for G
    instead of 1.
    """
    f, a, b = _edges(fused), _edges(infrared), _edges(visible)
    total = float(np.sum(a.strength + b.strength))
    kept = _preserved(a, f) * a.strength + _preserved(b, f) * b.strength
    return float(kept.sum()) / total if total > 0 else math.nan


METRIC = Metric(
    name="qabf",
    title="Edge information transferred",
    define=preserved_edges,
    range=(0.0, 1.0),
    formula="Σ (Qᴵ gᴵ + Qⱽ gⱽ) / Σ (gᴵ + gⱽ), Sobel strength g",
    citation="Xydeas & Petrović, Electron. Lett. 36(4), 2000",
    equals=("CDDFuse Qabf", "Linfeng-Tang Qabf", "IVIF_ZOO Qabf"),
    undefined="both sources are black",
    fast=lambda pair: pair.qabf(),
    place=14,
)
