"""N^AB/F, the share of edges in the fused image that neither source has."""

import math

import numpy as np

from .metric import Metric
from .shared.arrays import Image
from .shared.edges import Edges, sobel, strength

THRESHOLD = 2.0
FLOOR = 0.001
EXPONENT = 1.5


def _edges(image: Image) -> Edges:
    across, down = sobel(image, "reflect")
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.where((across == 0) & (down == 0), 0, across / down)
    return Edges(strength(across, down) / 8, np.arctan(slope))


def _lost(source: Edges, fused: Edges) -> Image:
    weaker = np.minimum(source.strength, fused.strength)
    stronger = np.maximum(source.strength, fused.strength)
    ratio = np.divide(weaker, stronger, out=np.zeros_like(weaker), where=stronger > 0)
    turn = np.abs(source.orientation - fused.orientation)
    agreement = np.abs(turn - np.pi / 2) * (2 / np.pi)
    kept = 0.9999 / (1 + np.exp(-19 * (ratio - 0.5)))
    orientation = 0.9995 / (1 + np.exp(-22 * (agreement - 0.5)))
    return np.asarray(1 - np.sqrt(kept * orientation))


def added_edges(fused: Image, infrared: Image, visible: Image, floor: float = FLOOR) -> float:
    """Weigh the lost source edges where the fused Sobel strength exceeds both sources'.

    Qˢ = √(Q_g Q_α) is the preservation of strength and orientation; the weight w is the source's
    strength to the power 1.5, or `floor` below strength 2 (Petrović and Xydeas, IEEE ICCV 2005, as
    modified by Kumar).
    """
    f, a, b = _edges(fused), _edges(infrared), _edges(visible)
    weights = [np.where(s.strength < THRESHOLD, floor, s.strength**EXPONENT) for s in (a, b)]
    total = float((weights[0] + weights[1]).sum())
    added = (f.strength > a.strength) & (f.strength > b.strength)
    lost = _lost(a, f) * weights[0] + _lost(b, f) * weights[1]
    return float((lost * added).sum()) / total if total > 0 else math.nan


METRIC = Metric(
    name="nabf",
    title="Artefacts of fusion",
    define=added_edges,
    larger_is_better=False,
    range=(0.0, 1.0),
    formula="Σ n ((1 − Qᴵ) wᴵ + (1 − Qⱽ) wⱽ) / Σ (wᴵ + wⱽ), n where F's edge is strongest",
    citation="Kumar, Signal Image Video Process. 7(6), 2013",
    equals=("Linfeng-Tang Nabf",),
    fast=lambda pair: pair.nabf(),
    place=15,
)
