"""VIFF, Han's visual information fidelity for fusion.

Evaluators that label the sum of two pixel-domain VIFs "VIFF" mean `metrics.vif`, not this.
"""

import numpy as np
from numpy.typing import ArrayLike

from metrics.arrays import Image, Values, per_image
from metrics.moments import MIN_SIZE, WINDOWS, moments
from metrics.vif import gain_and_residual

# Variance of the visual noise, 0.5 % of 255², the share of each scale, and the guard against 0/0.
NOISE = 0.005 * 255**2
SHARES = np.array([1, 0, 0.15, 1]) / 2.15
EPS = 1e-7


def viff(fused: ArrayLike, infrared: ArrayLike, visible: ArrayLike) -> Values:
    """Measure Han's visual information fidelity for fusion.

    At each window of the four scales of `metrics.vif` the source with the smaller gain counts:
    VIFF = Σₛ pₛ Σ (log₁₀(1 + g²σ²ᵣ/(σ²ᵥ + σ²ₙ)) + ε) / Σ (log₁₀(1 + σ²ᵣ/σ²ₙ) + ε) (Han, Cai, Cao
    and Xu, Information Fusion 14(2), 2013; the choice of source is that of the authors' code).

    Args:
        fused: (B, H, W) on the 0-255 scale, at least 41×41 px.
        infrared: (B, H, W) likewise.
        visible: (B, H, W) likewise.

    Returns:
        (B,) float64, 0 or more; 1 where all three images are equal or flat.

    Raises:
        MetricError: the arrays are not three equal batches on the 0-255 scale, or below 41 px.
    """
    return per_image(_viff, fused, infrared, visible, metric="viff", minimum=MIN_SIZE)


def _viff(fused: Image, infrared: Image, visible: Image) -> float:
    numerators, denominators = np.zeros(len(WINDOWS)), np.zeros(len(WINDOWS))
    for scale, local in moments(fused, infrared, visible):
        kept, held, gains = [], [], []
        for source, shared in zip(local.sources, local.shared, strict=True):
            gain, residual = gain_and_residual(source, local.fused, shared)
            gains.append(gain)
            kept.append(np.log10(1 + gain * gain * source / (residual + NOISE)) + EPS)
            held.append(np.log10(1 + source / NOISE) + EPS)
        infrared_counts = gains[0] < gains[1]
        numerators[scale] += np.where(infrared_counts, *kept).sum()
        denominators[scale] += np.where(infrared_counts, *held).sum()
    return float((SHARES * numerators / denominators).sum())
