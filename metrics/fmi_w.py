"""FMI of the wavelet transform."""

from dataclasses import replace

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from .fmi_pixel import METRIC as PIXELS
from .shared.arrays import Image, Values
from .shared.feature_information import feature_information

# Half of the 61 taps of the discrete Meyer low-pass filter, which is symmetric, from its centre on.
# fmt: off
MEYER = (
    0.7445855923188063, 0.44459300275757724, -0.035087555656258346,
    -0.13284520043622938, 0.030655091960824263, 0.0637390243228016,
    -0.024348745906078023, -0.03213079399021176, 0.017423434103729693,
    0.015270015130934803, -0.011061496392513451, -0.006387718318497156,
    0.006045814097323304, 0.002202534100911002, -0.002704672124643725,
    -0.0006011502343516092, 6.554305930575149e-05, -1.6312699734552807e-05,
    3.20544191334478e-06, 7.367572885903746e-07, -1.489549216497156e-06,
    1.1307947017916706e-06, -5.506340565252278e-07, 1.1783004497663934e-07,
    8.200680650386481e-08, -1.0866516536735883e-07, 6.066975741351135e-08,
    -1.0798819539621958e-08, -1.111944952595278e-08, 8.519459636796214e-09,
    -1.009999956941423e-12,
)
# fmt: on


def wavelet_information(fused: Image, infrared: Image, visible: Image) -> float:
    """Compute the feature mutual information of one level of the discrete Meyer transform.

    Images are mirrored beyond their border. The four bands lie side by side in one map: the
    approximation, then the details of rows, of columns and of both. Stretching the map, as the
    authors do, would change nothing, since windows are stretched.
    """
    return feature_information(*(_transform(image) for image in (fused, infrared, visible)))


def _transform(image: Image) -> Image:
    approximation, columns = _split(image)
    smooth, across = _split(approximation.T)
    down, both = _split(columns.T)
    return np.block([[smooth.T, down.T], [across.T, both.T]])


def _split(image: Image) -> tuple[Image, Image]:
    """Filter the columns of an image with the low and the high pass, and keep every other row."""
    low = np.concatenate([[0.0], MEYER[:0:-1], MEYER])
    high = low[::-1] * np.resize([-1, 1], len(low))
    padded = np.pad(image, ((len(low) - 1,) * 2, (0, 0)), mode="symmetric")
    windows = sliding_window_view(padded, len(low), axis=0)[1::2]
    return _apply(windows, low), _apply(windows, high)


def _apply(windows: Image, taps: Values) -> Image:
    return np.asarray(windows @ taps[::-1])


METRIC = replace(
    PIXELS,
    name="fmi_w",
    title="Feature mutual information of the wavelet transform",
    define=wavelet_information,
    formula="fmi_pixel of one level of the discrete Meyer wavelet transform of the three images",
    equals=("fmi.m of its authors, feature wavelet",),
    fast=lambda pair: pair.feature_information(_transform),
    place=27,
)
