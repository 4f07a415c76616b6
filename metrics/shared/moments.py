"""Local means, variances and covariances over the four scales of the pixel-domain VIF."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from .arrays import Image, Values
from .filters import filter_valid, gaussian

WINDOWS = (17, 9, 5, 3)

# The smallest side whose fourth scale still holds one window.
MIN_SIZE = 41

# Rows of windows that are computed at once: arrays this small stay in the processor's cache.
STRIP = 48

# Subtracting mid-grey first, E[x²] − E[x]² loses two bits less to rounding.
MID_GREY = 128.0

# A variance below this, in squared grey levels, is the rounding error of a flat window.
FLAT = 1e-10


class Moments(NamedTuple):
    """Variances and covariances of some windows, each (h, w); variances below `FLAT` are 0.

    `shared` are the covariances of the fused image with infrared and with visible.
    """

    fused: Image
    sources: tuple[Image, Image]
    shared: tuple[Image, Image]


def moments(fused: Image, infrared: Image, visible: Image) -> Iterator[tuple[int, Moments]]:
    """Compute the four scales of Sheikh and Bovik's pixel-domain VIF.

    Scale s has a Gaussian window of 2^(5−s) + 1 px with a sigma of a fifth of that; from the second
    scale on the images are first filtered with it and every other pixel kept. They have at least
    41×41 px.

    Yields:
        The scale, from 0, and the statistics of some rows of its windows; all windows in the end.
    """
    images = [image - MID_GREY for image in (fused, infrared, visible)]
    for scale, size in enumerate(WINDOWS):
        taps = gaussian(size, size / 5)
        if scale:
            images = [filter_valid(image, taps, step=2) for image in images]
        for top in range(0, len(images[0]) - size + 1, STRIP):
            f, a, b = (image[top : top + STRIP + size - 1] for image in images)
            yield scale, _moments(f, a, b, taps)


def _moments(f: Image, a: Image, b: Image, taps: Values) -> Moments:
    planes = np.empty((8, *f.shape))
    planes[:3] = f, a, b
    pairs = ((f, f), (a, a), (b, b), (a, f), (b, f))
    for plane, (x, y) in zip(planes[3:], pairs, strict=True):
        np.multiply(x, y, out=plane)
    mean_f, mean_a, mean_b, ff, aa, bb, af, bf = filter_valid(planes, taps)
    return Moments(
        fused=_variance(ff, mean_f),
        sources=(_variance(aa, mean_a), _variance(bb, mean_b)),
        shared=(af - mean_a * mean_f, bf - mean_b * mean_f),
    )


def _variance(square: Image, mean: Image) -> Image:
    variance = square - mean * mean
    variance[variance < FLAT] = 0
    return variance
