"""QCV, Chen and Varshney's index: how visible the difference from the sources is."""

import math

import numpy as np

from .metric import Metric
from .shared.arrays import Image, Values
from .shared.bands import bands
from .shared.edges import inner_sobel
from .shared.human_eye import filter_spectrum, frequencies, stretch

BLOCK = 16
EXPONENT = 5


def chen_varshney(fused: Image, infrared: Image, visible: Image) -> float:
    """Average the squared visible difference over blocks, weighted by the sources' edges.

    The images are stretched to 0-255. A block of 16×16 px weighs the sum of the fifth powers of the
    source's Sobel strength, with zeros around it. The difference from the source is filtered by the
    contrast sensitivity of the eye. Blocks at the right and lower border are filled up with zeros,
    which count. NaN where an image is flat.
    """
    images = (fused, infrared, visible)
    if any(image.min() == image.max() for image in images):
        return math.nan
    f, a, b = (stretch(image) for image in images)
    weights, response = [_saliency(source) for source in (a, b)], sensitivity(*f.shape)
    distances = [_blocks(filter_spectrum(s - f, response) ** 2) / BLOCK**2 for s in (a, b)]
    total = float(sum(weight.sum() for weight in weights))
    summed = sum((w * d).sum() for w, d in zip(weights, distances, strict=True))
    return float(summed) / total


def _saliency(source: Image) -> Values:
    around = np.pad(source, 1)
    # A band has a whole number of blocks.
    parts = [
        _blocks(np.hypot(*inner_sobel(around[band])) ** EXPONENT) for band in bands(len(around), 2)
    ]
    return np.concatenate(parts)


def _blocks(image: Image) -> Values:
    """Sum over blocks, those at the border filled up with zeros."""
    height, width = image.shape
    padded = np.pad(image, ((0, -height % BLOCK), (0, -width % BLOCK)))
    rows = padded.reshape(-1, BLOCK, padded.shape[1]).sum(axis=1)
    return np.asarray(rows.reshape(len(rows), -1, BLOCK).sum(axis=2))


def sensitivity(height: int, width: int) -> Values:
    """Return Mannos and Sakrison's contrast sensitivity."""
    radius = frequencies(height, width, degrees=8)
    return np.asarray(2.6 * (0.0192 + 0.144 * radius) * np.exp(-((0.144 * radius) ** 1.1)))


METRIC = Metric(
    name="qcv",
    title="Chen and Varshney's perceptual index",
    define=chen_varshney,
    larger_is_better=False,
    range=(0.0, math.inf),
    unit="squared grey levels",
    formula="Σ (wᴵ Dᴵ + wⱽ Dⱽ) / Σ (wᴵ + wⱽ) over 16×16 blocks, D mean squared visible difference",
    citation="Chen & Varshney, Inf. Fusion 8(2), 2007",
    equals=("VIFB Qcv", "zhengliu6699 metricChen"),
    undefined="one of the three images is flat",
    place=21,
)
