"""FMI of pixels: mutual information of small windows of fused image and sources."""

import math

from .metric import Metric
from .shared.arrays import Image
from .shared.feature_information import SIDE, feature_information


def _same(image: Image) -> Image:
    return image


METRIC = Metric(
    name="fmi_pixel",
    title="Feature mutual information of pixels",
    define=feature_information,
    range=(0.0, math.inf),
    formula="mean of 2 I/(H + H) over all 3×3 windows of F and I, F and V, as distributions",
    citation="Haghighat & Razian, AICT, 2014",
    equals=("fmi.m of its authors, feature none",),
    minimum=SIDE,
    fast=lambda pair: pair.feature_information(_same),
    place=25,
)
