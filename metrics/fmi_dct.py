"""FMI of the discrete cosine transform."""

from dataclasses import replace

import numpy as np

from .fmi_pixel import METRIC as PIXELS
from .shared.arrays import Image
from .shared.feature_information import feature_information


def dct_information(fused: Image, infrared: Image, visible: Image) -> float:
    """Compute the feature mutual information of the DCT-II coefficients of the whole images."""
    return feature_information(*(_transform(image) for image in (fused, infrared, visible)))


def _transform(image: Image) -> Image:
    """Compute the orthonormal DCT-II along both axes."""
    return _along_rows(_along_rows(image).T).T


def _along_rows(image: Image) -> Image:
    # Even samples, then odd ones backwards: the transform is then that of Fourier, turned.
    length = image.shape[1]
    spectrum = np.fft.fft(np.hstack([image[:, ::2], image[:, 1::2][:, ::-1]]))
    angle = np.pi * np.arange(length) / (2 * length)
    scale = np.full(length, np.sqrt(2 / length))
    scale[0] = np.sqrt(1 / length)
    return np.asarray((spectrum * np.exp(-1j * angle)).real * scale)


METRIC = replace(
    PIXELS,
    name="fmi_dct",
    title="Feature mutual information of the cosine transform",
    define=dct_information,
    formula="fmi_pixel of the DCT-II of the three images",
    equals=("fmi.m of its authors, feature dct",),
    fast=lambda pair: pair.feature_information(_transform),
    place=26,
)
