"""SCD, sum of the correlations of differences: how much of each source is added to the other."""

from dataclasses import replace

import numpy as np

from .metric import Metric
from .shared.arrays import Image
from .shared.correlation import pearson


def difference_correlations(fused: Image, infrared: Image, visible: Image) -> float:
    """Correlate what the fused image adds to each source with the other source (Eqs. 5-7).

    The differences are real numbers. NaN where a source or a difference is flat, as when the fused
    image equals a source.
    """
    return pearson(fused - visible, infrared) + pearson(fused - infrared, visible)


def _saturated(fused: Image, infrared: Image, visible: Image) -> float:
    """Clip negative differences to 0, as MATLAB does to uint8 images."""
    beyond_visible = np.maximum(fused - visible, 0)
    beyond_infrared = np.maximum(fused - infrared, 0)
    return pearson(beyond_visible, infrared) + pearson(beyond_infrared, visible)


METRIC = Metric(
    name="scd",
    title="Sum of the correlations of differences",
    define=difference_correlations,
    range=(-2.0, 2.0),
    formula="r(F − V, I) + r(F − I, V)",
    citation="Aslantas & Bendes, AEU Int. J. Electron. Commun. 69(12), 2015",
    equals=("CDDFuse SCD", "FreeFusion SCD", "Linfeng-Tang SCD", "IVIF_ZOO SCD"),
    undefined="a source is flat, or the fused image is a source plus a constant",
    fast=lambda pair: pair.scd(),
    place=3,
)
VARIANTS = (
    replace(
        METRIC,
        name="scd_uint8",
        title="SCD on saturating uint8 differences",
        define=_saturated,
        formula="r(max(F − V, 0), I) + r(max(F − I, 0), V)",
        equals=("thfylsty SCD as shipped",),
        undefined="a source or one of the clipped differences is flat",
    ),
)
