"""NMI, mutual information normalised by the entropies."""

import math

from numpy.typing import ArrayLike

from metrics.arrays import Image, Values, per_image
from metrics.histograms import entropy, histogram, mutual_information


def nmi(fused: ArrayLike, infrared: ArrayLike, visible: ArrayLike) -> Values:
    """Measure the normalised mutual information with both sources.

    NMI = 2 (I(F; I) / (H(F) + H(I)) + I(F; V) / (H(F) + H(V))) (Hossny, Nahavandi and Creighton,
    Electronics Letters 44(18), 2008), on rounded levels.

    Args:
        fused: (B, H, W) on the 0-255 scale.
        infrared: (B, H, W) likewise.
        visible: (B, H, W) likewise.

    Returns:
        (B,) float64, in [0, 2]; NaN where the fused image and a source are both flat.

    Raises:
        MetricError: the arrays are not three equal batches on the 0-255 scale.
    """
    return per_image(_nmi, fused, infrared, visible, metric="nmi")


def _nmi(fused: Image, infrared: Image, visible: Image) -> float:
    return _half(fused, infrared) + _half(fused, visible)


def _half(fused: Image, source: Image) -> float:
    total = entropy(histogram(fused)) + entropy(histogram(source))
    return 2 * mutual_information(fused, source) / total if total > 0 else math.nan
