"""QY, Yang's index: structural similarity to the source that a region resembles."""

import numpy as np

from .metric import Metric
from .shared.arrays import Image
from .shared.bands import bands
from .shared.filters import filter_valid, gaussian
from .shared.moments import FLAT

WINDOW = 7
SIGMA = 1.5
STABILISER = 2e-16
# From this similarity of the sources on, both count.
ALIKE = 0.75


def yang(fused: Image, infrared: Image, visible: Image) -> float:
    """Average the similarity to both sources where they are alike, and to the closer one elsewhere.

    Similarities are SSIMs under a 7×7 Gaussian window with a σ of 1.5 px and nearly no stabiliser.
    Where the sources' SSIM is at least 0.75, each source weighs as much as its local variance, and
    both the same where neither varies; elsewhere the larger similarity counts.
    """
    rows, columns = (side - WINDOW + 1 for side in fused.shape)
    total = sum(
        float(_similarities(fused[band], infrared[band], visible[band]).sum())
        for band in bands(len(fused), WINDOW - 1)
    )
    return float(total / (rows * columns))


def _similarities(fused: Image, infrared: Image, visible: Image) -> Image:
    """Compute what each window counts."""
    taps = gaussian(WINDOW, SIGMA)
    mean = [filter_valid(image, taps) for image in (fused, infrared, visible)]
    images = (fused, infrared, visible)
    variance = [
        _without_rounding(filter_valid(image * image, taps) - m * m)
        for image, m in zip(images, mean, strict=True)
    ]

    def similarity(i: int, j: int) -> Image:
        shared = filter_valid(images[i] * images[j], taps) - mean[i] * mean[j]
        flat = (variance[i] == 0) | (variance[j] == 0)
        structure = 2 * np.where(flat, 0, shared) + STABILISER
        brightness = 2 * mean[i] * mean[j] + STABILISER
        below = (mean[i] ** 2 + mean[j] ** 2 + STABILISER) * (
            variance[i] + variance[j] + STABILISER
        )
        return np.asarray(brightness * structure / below)

    power = variance[1] + variance[2]
    share = np.divide(variance[1], power, out=np.full_like(power, 0.5), where=power > 0)
    to_infrared, to_visible = similarity(0, 1), similarity(0, 2)
    both = share * to_infrared + (1 - share) * to_visible
    closer = np.maximum(to_infrared, to_visible)
    return np.where(similarity(1, 2) >= ALIKE, both, closer)


def _without_rounding(variance: Image) -> Image:
    return np.where(variance < FLAT, 0, variance)


METRIC = Metric(
    name="qy",
    title="Yang's structural similarity for fusion",
    define=yang,
    range=(-1.0, 1.0),
    formula="mean of λ SSIM(I, F) + (1 − λ) SSIM(V, F) where SSIM(I, V) ≥ ¾, else of the larger",
    citation="Yang et al., Inf. Fusion 9(2), 2008",
    equals=("zhengliu6699 metricYang",),
    minimum=WINDOW,
    place=22,
)
