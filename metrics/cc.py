"""CC, correlation of the fused image with its sources."""

from .metric import Metric
from .shared.arrays import Image
from .shared.correlation import pearson


def mean_correlation(fused: Image, infrared: Image, visible: Image) -> float:
    """Average Pearson's correlation with both sources; NaN where any image is flat."""
    return (pearson(fused, infrared) + pearson(fused, visible)) / 2


METRIC = Metric(
    name="cc",
    title="Correlation coefficient",
    define=mean_correlation,
    range=(-1.0, 1.0),
    formula="(r(F, I) + r(F, V)) / 2",
    citation="Deshmukh & Bhosale, Int. J. Image Process. 4(5), 2010",
    equals=("CDDFuse CC", "Linfeng-Tang CC", "IVIF_ZOO CC"),
    undefined="one of the three images is flat",
    fast=lambda pair: pair.cc(),
    place=9,
)
