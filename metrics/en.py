"""EN, entropy: how evenly the fused image uses its grey levels."""

from numpy.typing import ArrayLike

from metrics.arrays import Image, Values, per_image
from metrics.histograms import entropy, histogram


def en(fused: ArrayLike, infrared: ArrayLike, visible: ArrayLike) -> Values:
    """Measure the Shannon entropy of the fused image.

    EN = −Σ p log₂ p over the histogram of the 256 levels (Roberts et al., Journal of Applied
    Remote Sensing 2(1), 2008). Values between levels are rounded, halves to even.

    Args:
        fused: (B, H, W) on the 0-255 scale.
        infrared: (B, H, W); only checked.
        visible: (B, H, W); only checked.

    Returns:
        (B,) float64 in bits, in [0, 8].

    Raises:
        MetricError: the arrays are not three equal batches on the 0-255 scale.
    """
    return per_image(_en, fused, infrared, visible, metric="en")


def _en(fused: Image, infrared: Image, visible: Image) -> float:
    return entropy(histogram(fused))
