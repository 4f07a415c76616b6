"""NMI, mutual information normalised by the entropies."""

import math

from .metric import Metric
from .shared.arrays import Image
from .shared.histograms import LEVELS, Counts, entropy, information, joint_histogram, levels


def normalised_information(fused: Image, infrared: Image, visible: Image) -> float:
    """Sum the normalised mutual information with both sources, on rounded levels."""
    f, a, b = levels(fused), levels(infrared), levels(visible)
    return _half(joint_histogram(f, a)) + _half(joint_histogram(f, b))


def _half(counts: Counts) -> float:
    joint = counts.reshape(LEVELS, LEVELS)
    total = entropy(joint.sum(axis=1)) + entropy(joint.sum(axis=0))
    return 2 * information(joint) / total if total > 0 else math.nan


METRIC = Metric(
    name="nmi",
    title="Normalised mutual information",
    define=normalised_information,
    range=(0.0, 2.0),
    formula="2 (I(F; I)/(H(F) + H(I)) + I(F; V)/(H(F) + H(V)))",
    citation="Hossny, Nahavandi & Creighton, Electron. Lett. 44(18), 2008",
    equals=("zhengliu6699 metricMI, option 1",),
    undefined="the fused image and a source are both flat",
    fast=lambda pair: sum(_half(joint) for joint in pair.joint_counts()),
    place=8,
)
