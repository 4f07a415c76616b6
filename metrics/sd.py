"""SD, standard deviation: the contrast of the fused image."""

from numpy.typing import ArrayLike

from metrics.arrays import Image, Values, per_image


def sd(fused: ArrayLike, infrared: ArrayLike, visible: ArrayLike) -> Values:
    """Measure the standard deviation of the fused image.

    SD = √ mean (F − mean F)², over all H·W pixels; the paper of 1997 on fibre sensors that is often
    cited for it does not define it.

    Args:
        fused: (B, H, W) on the 0-255 scale.
        infrared: (B, H, W); only checked.
        visible: (B, H, W); only checked.

    Returns:
        (B,) float64 in grey levels, in [0, 127.5].

    Raises:
        MetricError: the arrays are not three equal batches on the 0-255 scale.
    """
    return per_image(_sd, fused, infrared, visible, metric="sd")


def _sd(fused: Image, infrared: Image, visible: Image) -> float:
    return float(fused.std())
