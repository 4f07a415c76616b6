"""SD, standard deviation: the contrast of the fused image."""

from .metric import Metric
from .shared.arrays import Image


def standard_deviation(fused: Image, infrared: Image, visible: Image) -> float:
    """Compute the population standard deviation over all H·W pixels, in grey levels.

    The paper of 1997 on fibre sensors that is often cited for it does not define it.
    """
    return float(fused.std())


METRIC = Metric(
    name="sd",
    title="Standard deviation",
    define=standard_deviation,
    range=(0.0, 127.5),
    unit="grey levels",
    formula="√ mean (F − mean F)²",
    citation="textbook definition",
    equals=("CDDFuse SD", "Linfeng-Tang SD", "VIFB standard deviation", "IVIF_ZOO SD"),
    fast=lambda pair: pair.sd(),
    place=6,
)
