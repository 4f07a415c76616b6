"""QCB, Chen and Blum's index: how much of the visible contrast the fused image keeps."""

import math

import numpy as np

from .metric import Metric
from .shared.arrays import Image, Values
from .shared.bands import bands
from .shared.filters import filter_valid
from .shared.human_eye import filter_spectrum, frequencies, stretch

WINDOW = 31
SIGMAS = (2.0, 4.0)
# Masking of contrast: C³ / (C² + this).
MASKING = 1e-4


def chen_blum(fused: Image, infrared: Image, visible: Image) -> float:
    """Average how well the masked local contrasts of the sources agree with the fused image's.

    The images are stretched to 0-255 and filtered by the contrast sensitivity of the eye, a
    difference of Gaussians. The local contrast is |G₂ ∗ A / G₄ ∗ A − 1|, zeros lying around the
    image. At each pixel Q is the smaller over the larger masked contrast of source and fused image,
    and a source weighs as much as its squared contrast. Where neither image has contrast Q is 1;
    where neither source has any, both weigh the same. NaN where an image is flat.
    """
    images = (fused, infrared, visible)
    if any(image.min() == image.max() for image in images):
        return math.nan
    contrasts = [_masked_contrast(image) for image in images]
    total = sum(
        float(_qualities(*(contrast[band] for contrast in contrasts)).sum())
        for band in bands(len(fused))
    )
    return total / fused.size


def _qualities(f: Image, a: Image, b: Image) -> Image:
    """Compare the masked contrasts at each pixel."""
    power = a**2 + b**2
    share = np.divide(a**2, power, out=np.full_like(power, 0.5), where=power > 0)
    return np.asarray(share * _kept(a, f) + (1 - share) * _kept(b, f))


def _kept(source: Image, fused: Image) -> Image:
    larger = np.maximum(source, fused)
    return np.divide(np.minimum(source, fused), larger, out=np.ones_like(larger), where=larger > 0)


def _masked_contrast(image: Image) -> Image:
    seen = filter_spectrum(stretch(image), sensitivity(*image.shape))
    around = np.pad(seen, WINDOW // 2)
    parts = [_local_contrast(around[band]) for band in bands(len(around), WINDOW - 1)]
    return np.concatenate(parts)


def _local_contrast(around: Image) -> Image:
    fine, coarse = (filter_valid(around, taps(sigma)) for sigma in SIGMAS)
    contrast = np.abs(fine / np.where(coarse == 0, np.finfo(float).tiny, coarse) - 1)
    # The masked contrast tends to the contrast itself, which may be too large to be cubed.
    return np.asarray(contrast / (1 + MASKING / np.maximum(contrast**2, 1e-300)))


def taps(sigma: float) -> Values:
    """Return a Gaussian window that is cut off, and not scaled to sum to 1."""
    offsets = np.arange(WINDOW) - WINDOW // 2
    return np.exp(-0.5 * (offsets / sigma) ** 2) / (sigma * math.sqrt(2 * math.pi))


def sensitivity(height: int, width: int) -> Values:
    """Return the contrast sensitivity of the eye for a spectrum (H, W)."""
    radius = frequencies(height, width, degrees=30)
    return np.exp(-((radius / 15.387) ** 2)) - 0.7622 * np.exp(-((radius / 1.3456) ** 2))


METRIC = Metric(
    name="qcb",
    title="Chen and Blum's perceptual index",
    define=chen_blum,
    range=(0.0, 1.0),
    formula="mean (λ Q(I, F) + (1 − λ) Q(V, F)), Q = min C′/max C′, λ = C′ᵢ²/(C′ᵢ² + C′ᵥ²)",
    citation="Chen & Blum, Image Vis. Comput. 27(10), 2009",
    equals=("VIFB Qcb", "zhengliu6699 metricChenBlum"),
    undefined="one of the three images is flat",
    place=20,
)
