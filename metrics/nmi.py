"""NMI, mutual information normalised by the entropies."""

import math

from .metric import Metric
from .shared.arrays import Image
from .shared.histograms import entropy, histogram, mutual_information


def normalised_information(fused: Image, infrared: Image, visible: Image) -> float:
    """Sum the normalised mutual information with both sources, on rounded levels."""
    return _half(fused, infrared) + _half(fused, visible)


def _half(fused: Image, source: Image) -> float:
    total = entropy(histogram(fused)) + entropy(histogram(source))
    return 2 * mutual_information(fused, source) / total if total > 0 else math.nan


METRIC = Metric(
    name="nmi",
    title="Normalised mutual information",
    define=normalised_information,
    range=(0.0, 2.0),
    formula="2 (I(F; I)/(H(F) + H(I)) + I(F; V)/(H(F) + H(V)))",
    citation="Hossny, Nahavandi & Creighton, Electron. Lett. 44(18), 2008",
    equals=("zhengliu6699 metricMI, option 1",),
    undefined="the fused image and a source are both flat",
    place=8,
)
