"""CC, correlation of the fused image with its sources."""

from numpy.typing import ArrayLike

from metrics.arrays import Image, Values, per_image
from metrics.scd import pearson


def cc(fused: ArrayLike, infrared: ArrayLike, visible: ArrayLike) -> Values:
    """Measure Pearson's correlation with the sources, averaged over both.

    CC = (r(F, I) + r(F, V)) / 2 over the image (Deshmukh and Bhosale, International Journal of
    Image Processing 4(5), 2010).

    Args:
        fused: (B, H, W) on the 0-255 scale.
        infrared: (B, H, W) likewise.
        visible: (B, H, W) likewise.

    Returns:
        (B,) float64, in [−1, 1]; NaN where any of the three images is flat.

    Raises:
        MetricError: the arrays are not three equal batches on the 0-255 scale.
    """
    return per_image(_cc, fused, infrared, visible, metric="cc")


def _cc(fused: Image, infrared: Image, visible: Image) -> float:
    return (pearson(fused, infrared) + pearson(fused, visible)) / 2
