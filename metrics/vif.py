"""VIF, visual information fidelity: what the fused image keeps of the information of its sources.

The tables of this field print the sum over both sources of Sheikh and Bovik's pixel-domain VIF.
Several public evaluators label that sum "VIFF"; Han's VIFF of 2013 is another metric, in
`metrics.viff`.
"""

import numpy as np
from numpy.typing import ArrayLike

from metrics.arrays import Image, Values, per_image
from metrics.moments import FLAT, MIN_SIZE, moments

# Variance of the visual noise, in squared grey levels.
NOISE = 2.0


def vif(fused: ArrayLike, infrared: ArrayLike, visible: ArrayLike) -> Values:
    """Measure the visual information fidelity, summed over both sources.

    For each source, Σ log(1 + g²σ²ᵣ / (σ²ᵥ + 2)) / Σ log(1 + σ²ᵣ / 2) over the windows of four
    scales, g and σ²ᵥ being gain and residual of the regression of fused on source (Sheikh and
    Bovik, IEEE Transactions on Image Processing 15(2), 2006, in the authors' pixel-domain form).

    Args:
        fused: (B, H, W) on the 0-255 scale, at least 41×41 px.
        infrared: (B, H, W) likewise.
        visible: (B, H, W) likewise.

    Returns:
        (B,) float64, 0 or more; 1 per source that the fused image equals. NaN where a source is
        flat, since it holds no information to keep.

    Raises:
        MetricError: the arrays are not three equal batches on the 0-255 scale, or below 41 px.
    """
    return per_image(_vif, fused, infrared, visible, metric="vif", minimum=MIN_SIZE)


def vif_mean(fused: ArrayLike, infrared: ArrayLike, visible: ArrayLike) -> Values:
    """Measure half of `vif`, its mean over both sources; arguments and errors are the same."""
    return vif(fused, infrared, visible) / 2


def fidelities(fused: Image, infrared: Image, visible: Image) -> tuple[float, float]:
    """Measure the fidelity to infrared and to visible apart, from images (H, W); NaN where flat."""
    kept, held = np.zeros(2), np.zeros(2)
    for _, local in moments(fused, infrared, visible):
        for index, source in enumerate(local.sources):
            gain, residual = gain_and_residual(source, local.fused, local.shared[index])
            kept[index] += np.log(1 + gain * gain * source / (residual + NOISE)).sum()
            held[index] += np.log(1 + source / NOISE).sum()
    values = np.divide(kept, held, out=np.full(2, np.nan), where=held > 0)
    return float(values[0]), float(values[1])


def gain_and_residual(source: Image, fused: Image, shared: Image) -> tuple[Image, Image]:
    """Regress fused on source in each window, with the authors' guards.

    Args:
        source: variance of the source, (h, w), 0 where it is flat.
        fused: variance of the fused image, likewise.
        shared: covariance of both, likewise.

    Returns:
        Gain, 0 where one image is flat or both oppose each other, and variance of the residual.
    """
    gain = shared / (source + FLAT)
    gain *= (shared > 0) & (source > 0) & (fused > 0)
    return gain, np.maximum(fused - gain * shared, FLAT)


def _vif(fused: Image, infrared: Image, visible: Image) -> float:
    return sum(fidelities(fused, infrared, visible))
