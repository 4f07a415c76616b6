"""NMI, mutual information normalised by the entropies."""

import math

from .metric import Metric
from .shared.arrays import Image
from .shared.histograms import LEVELS, Counts, joint_entropies, joint_histogram, levels, shared


def normalised_information(fused: Image, infrared: Image, visible: Image) -> float:
    """Sum the normalised mutual information with both sources, on rounded levels."""
    f, a, b = levels(fused), levels(infrared), levels(visible)
    return _half(joint_histogram(f, a)) + _half(joint_histogram(f, b))


def _half(counts: Counts) -> float:
    return _normalised(*joint_entropies(counts.reshape(LEVELS, LEVELS)))


def _normalised(first: float, second: float, together: float) -> float:
    total = first + second
    return 2 * shared(first, second, together) / total if total > 0 else math.nan


METRIC = Metric(
    name="nmi",
    title="Normalised mutual information",
    define=normalised_information,
    range=(0.0, 2.0),
    formula="2 (I(F; I)/(H(F) + H(I)) + I(F; V)/(H(F) + H(V)))",
    citation="Hossny, Nahavandi & Creighton, Electron. Lett. 44(18), 2008",
    equals=("zhengliu6699 metricMI, option 1",),
    undefined="the fused image and a source are both flat",
    fast=lambda pair: sum(_normalised(*entropies) for entropies in pair.entropies()),
    place=8,
)
