"""MI, mutual information between the fused image and its sources."""

from .metric import Metric
from .shared.arrays import Image
from .shared.histograms import mutual_information, shared


def shared_information(fused: Image, infrared: Image, visible: Image) -> float:
    """Sum the mutual information with both sources, in bits, over histograms of 256 levels.

    Values between levels are rounded, halves to even. Some evaluators print nats: multiply by ln 2.
    """
    return mutual_information(fused, infrared) + mutual_information(fused, visible)


METRIC = Metric(
    name="mi",
    title="Mutual information",
    define=shared_information,
    range=(0.0, 16.0),
    unit="bits",
    formula="I(F; I) + I(F; V)",
    citation="Qu, Zhang & Yan, Electron. Lett. 38(7), 2002",
    equals=("CDDFuse MI / ln 2", "IVIF_ZOO MI"),
    fast=lambda pair: sum(shared(*entropies) for entropies in pair.entropies()),
    place=7,
)
