"""VIFF, Han's visual information fidelity for fusion.

Evaluators that label the sum of two pixel-domain VIFs "VIFF" mean `metrics.vif`, not this.
"""

import math

import numpy as np

from .metric import Metric
from .shared.arrays import Image, Values
from .shared.moments import MIN_SIZE, WINDOWS, moments
from .vif import gain_and_residual

# Variance of the visual noise, 0.5 % of 255², the share of each scale, and the guard against 0/0.
NOISE = 0.005 * 255**2
SHARES = np.array([1, 0, 0.15, 1]) / 2.15
EPS = 1e-7


def fusion_fidelity(fused: Image, infrared: Image, visible: Image) -> float:
    """Compare per scale what is kept with what the sources hold; 1 where all images are equal.

    At each window of the four scales of `metrics.vif` the source with the smaller gain counts, as
    in the authors' code.
    """
    kept_sums, held_sums, counts = np.zeros((3, len(WINDOWS)))
    for scale, local in moments(fused, infrared, visible):
        kept, held, gains = [], [], []
        for source, shared in zip(local.sources, local.shared, strict=True):
            gain, residual = gain_and_residual(source, local.fused, shared)
            gains.append(gain)
            kept.append(np.log10(1 + gain * gain * source / (residual + NOISE)))
            held.append(np.log10(1 + source / NOISE))
        infrared_counts = gains[0] < gains[1]
        kept_sums[scale] += np.where(infrared_counts, *kept).sum()
        held_sums[scale] += np.where(infrared_counts, *held).sum()
        counts[scale] += infrared_counts.size
    return share_of_scales(kept_sums, held_sums, counts)


def share_of_scales(kept: Values, held: Values, counts: Values) -> float:
    """Weigh the four ratios of what is kept to what is held, `EPS` being added at each window."""
    return float((SHARES * (kept + EPS * counts) / (held + EPS * counts)).sum())


METRIC = Metric(
    name="viff",
    title="Han's visual information fidelity for fusion",
    define=fusion_fidelity,
    range=(0.0, math.inf),
    formula="Σₛ pₛ Σ VID / Σ VIND, each window of the source with the smaller gain",
    citation="Han et al., Inf. Fusion 14(2), 2013",
    equals=("VIFF_Public.m of its authors",),
    minimum=MIN_SIZE,
    fast=lambda pair: pair.viff(),
    place=16,
)
