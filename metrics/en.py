"""EN, entropy: how evenly the fused image uses its grey levels."""

from .metric import Metric
from .shared.arrays import Image
from .shared.histograms import entropy, histogram


def level_entropy(fused: Image, infrared: Image, visible: Image) -> float:
    """Compute the Shannon entropy, in bits, of the 256 levels; values between them are rounded."""
    return entropy(histogram(fused))


METRIC = Metric(
    name="en",
    title="Entropy",
    define=level_entropy,
    range=(0.0, 8.0),
    unit="bits",
    formula="−Σ p log₂ p over the 256 levels of F",
    citation="Roberts et al., J. Appl. Remote Sens. 2(1), 2008",
    equals=("CDDFuse EN", "Linfeng-Tang EN", "VIFB entropy", "scikit-image shannon_entropy"),
    fast=lambda pair: pair.entropies()[0][0],
    place=5,
)
