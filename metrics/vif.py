"""VIF, visual information fidelity: what the fused image keeps of the information of its sources.

The tables of this field print the sum over both sources of Sheikh and Bovik's pixel-domain VIF.
Several public evaluators label that sum "VIFF"; Han's VIFF of 2013 is another metric, in
`metrics.viff`.
"""

import math
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from .metric import Metric
from .shared.arrays import Image
from .shared.moments import FLAT, MIN_SIZE, moments

if TYPE_CHECKING:
    from torch import Tensor

Maps = TypeVar("Maps", Image, "Tensor")

# Variance of the visual noise, in squared grey levels.
NOISE = 2.0


def fidelity_sum(fused: Image, infrared: Image, visible: Image) -> float:
    """Sum the fidelity to both sources, each 1 if the fused image equals it; NaN for a flat one.

    This is Sheikh and Bovik's VIF in the authors' pixel-domain form.
    """
    return sum(fidelities(fused, infrared, visible))


def _mean_fidelity(fused: Image, infrared: Image, visible: Image) -> float:
    """Average the fidelity to both sources instead."""
    return fidelity_sum(fused, infrared, visible) / 2


def fidelities(fused: Image, infrared: Image, visible: Image) -> tuple[float, float]:
    """Measure the fidelity to infrared and to visible separately; NaN for a flat source.

    Per source, Σ log(1 + g²σ²ᵣ / (σ²ᵥ + 2)) / Σ log(1 + σ²ᵣ / 2) over the windows of four scales,
    g and σ²ᵥ being gain and residual of the regression of fused on source.
    """
    kept, held = np.zeros(2), np.zeros(2)
    for _, local in moments(fused, infrared, visible):
        for index, source in enumerate(local.sources):
            gain, residual = gain_and_residual(source, local.fused, local.shared[index])
            kept[index] += np.log(1 + gain * gain * source / (residual + NOISE)).sum()
            held[index] += np.log(1 + source / NOISE).sum()
    values = np.divide(kept, held, out=np.full(2, np.nan), where=held > 0)
    return float(values[0]), float(values[1])


def gain_and_residual(source: Maps, fused: Maps, shared: Maps) -> tuple[Maps, Maps]:
    """Regress fused on source in each window, with the authors' guards.

    From variances, 0 where an image is flat, and the covariance, each (..., h, w), follow the gain,
    0 where one image is flat or both oppose each other, and the variance of the residual.
    """
    usable = (shared > 0) & (source > 0) & (fused > 0)
    gain = shared / (source + FLAT) * usable
    return gain, (fused - gain * shared).clip(FLAT)


METRIC = Metric(
    name="vif",
    title="Visual information fidelity, sum over both sources",
    define=fidelity_sum,
    range=(0.0, math.inf),
    formula="Σ over I, V of Σ log(1 + g²σ²ᵣ/(σ²ᵥ + 2)) / Σ log(1 + σ²ᵣ/2), four scales",
    citation="Sheikh & Bovik, IEEE Trans. Image Process. 15(2), 2006",
    equals=("CDDFuse VIFF", "FreeFusion VIFF", "Linfeng-Tang VIF", "sewar vifp, twice"),
    undefined="a source is flat",
    minimum=MIN_SIZE,
    fast=lambda pair: pair.vif(),
    place=4,
)
VARIANTS = (
    replace(
        METRIC,
        name="vif_mean",
        title="Visual information fidelity, mean over both sources",
        define=_mean_fidelity,
        formula="vif / 2",
        equals=("sewar vifp, mean of both sources",),
    ),
)
