"""MS-SSIM, structural similarity over five scales, summed over both sources."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from metrics.arrays import Image, Values, per_image
from metrics.ssim import WINDOW, similarity

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)

# The smallest side whose fifth scale still holds one window.
MIN_SIZE = WINDOW * 2 ** (len(WEIGHTS) - 1)


def ms_ssim(fused: ArrayLike, infrared: ArrayLike, visible: ArrayLike) -> Values:
    """Measure the multi-scale structural similarity to the sources, summed over both.

    Per source, Π over five scales of the mean contrast-structure term (of the mean SSIM at the
    fifth) to the power of the scale's weight (Wang, Simoncelli and Bovik, Asilomar Conference on
    Signals, Systems and Computers, 2003). The next scale is the mean of 2×2 pixels, the last row or
    column of an odd side left out. Negative terms count as 0.

    Args:
        fused: (B, H, W) on the 0-255 scale, at least 176×176 px.
        infrared: (B, H, W) likewise.
        visible: (B, H, W) likewise.

    Returns:
        (B,) float64, in [0, 2]; 2 where all three images are equal.

    Raises:
        MetricError: the arrays are not three equal batches on the 0-255 scale, or below 176 px.
    """
    return per_image(_ms_ssim, fused, infrared, visible, metric="ms_ssim", minimum=MIN_SIZE)


def mean_of_blocks(image: Image) -> Image:
    """Halve (H, W) by the means of 2×2 pixels, the last row or column of an odd side left out."""
    height, width = (side // 2 for side in image.shape)
    blocks = image[: 2 * height, : 2 * width].reshape(height, 2, width, 2)
    return np.asarray(blocks.mean(axis=(1, 3)))


def pair_ms_ssim(x: Image, y: Image, halve: Callable[[Image], Image] = mean_of_blocks) -> float:
    """Compare two images (H, W), `halve` making each next scale; in [0, 1]."""
    product = 1.0
    for scale, weight in enumerate(WEIGHTS):
        if scale:
            x, y = halve(x), halve(y)
        similar, structure = similarity(x, y)
        term = similar if scale == len(WEIGHTS) - 1 else structure
        product *= max(term, 0.0) ** weight
    return product


def _ms_ssim(fused: Image, infrared: Image, visible: Image) -> float:
    return sum(pair_ms_ssim(fused, source) for source in (infrared, visible))
