"""MI, mutual information between the fused image and its sources."""

from numpy.typing import ArrayLike

from metrics.arrays import Image, Values, per_image
from metrics.histograms import mutual_information


def mi(fused: ArrayLike, infrared: ArrayLike, visible: ArrayLike) -> Values:
    """Measure the mutual information with both sources.

    MI = I(F; I) + I(F; V) over the joint histograms of 256 levels (Qu, Zhang and Yan, Electronics
    Letters 38(7), 2002), in bits; multiply by ln 2 for the nats of some evaluators. Values between
    levels are rounded, halves to even.

    Args:
        fused: (B, H, W) on the 0-255 scale.
        infrared: (B, H, W) likewise.
        visible: (B, H, W) likewise.

    Returns:
        (B,) float64 in bits, in [0, 16].

    Raises:
        MetricError: the arrays are not three equal batches on the 0-255 scale.
    """
    return per_image(_mi, fused, infrared, visible, metric="mi")


def _mi(fused: Image, infrared: Image, visible: Image) -> float:
    return mutual_information(fused, infrared) + mutual_information(fused, visible)
