"""FMI of pixels: mutual information of small windows of fused image and sources."""

import math

from .metric import Metric
from .shared.feature_information import SIDE, feature_information

METRIC = Metric(
    name="fmi_pixel",
    title="Feature mutual information of pixels",
    define=feature_information,
    range=(0.0, math.inf),
    formula="mean of 2 I/(H + H) over all 3×3 windows of F and I, F and V, as distributions",
    citation="Haghighat & Razian, AICT, 2014",
    equals=("fmi.m of its authors, feature none",),
    minimum=SIDE,
    place=25,
)
