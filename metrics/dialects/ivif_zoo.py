"""Where the evaluator of IVIF_ZOO departs from the definitions, reproduced in float64.

The evaluator computes in float32. These functions do not repeat its rounding; `docs/metrics.md`
states how large the difference is. Each function takes images (H, W) float64 in [0, 255].
"""

import math

import numpy as np

from ..ms_ssim import mean_of_blocks, pair_ms_ssim
from ..nabf import added_edges
from ..shared.arrays import Image, Values
from ..shared.filters import filter_valid
from ..shared.histograms import entropy, histogram, mutual_information
from ..shared.moments import FLAT
from ..ssim import similarity
from ..vif import NOISE, gain_and_residual

# Its SSIM multiplies 0-255 images by 255 once more, yet keeps the constants of 8-bit images.
OVERSCALE = 255.0


def en(fused: Image, infrared: Image, visible: Image) -> float:
    """Compute the entropy in bits with 10⁻⁷ added inside the logarithm."""
    shares = histogram(fused) / fused.size
    return float(-(shares * np.log2(shares + 1e-7)).sum())


def nmi(fused: Image, infrared: Image, visible: Image) -> float:
    """Compute 2 (I(F; I) + I(F; V)) / (H(I) + H(V)); 0 where both sources are flat."""
    shared = mutual_information(fused, infrared) + mutual_information(fused, visible)
    total = entropy(histogram(infrared)) + entropy(histogram(visible))
    return 2 * shared / total if total > 0 else 0.0


def nabf(fused: Image, infrared: Image, visible: Image) -> float:
    """Compute N^AB/F with weight 0 below the threshold; NaN where no edge reaches it."""
    return added_edges(fused, infrared, visible, floor=0.0)


def ssim(fused: Image, infrared: Image, visible: Image) -> float:
    """Compute SSIM on images scaled to 0-65025 with the constants of 0-255."""
    sources = infrared * OVERSCALE, visible * OVERSCALE
    return sum(similarity(fused * OVERSCALE, source)[0] for source in sources)


def ms_ssim(fused: Image, infrared: Image, visible: Image) -> float:
    """Compute MS-SSIM on images scaled to 0-65025, with zeros around odd sides when halving."""
    scaled = fused * OVERSCALE
    return sum(pair_ms_ssim(scaled, s * OVERSCALE, _halve) for s in (infrared, visible))


def _halve(image: Image) -> Image:
    return mean_of_blocks(np.pad(image, [(side % 2, side % 2) for side in image.shape]))


def vif(fused: Image, infrared: Image, visible: Image) -> float:
    """Compute VIF with zero-padded windows that lie half a pixel off their centre."""
    return _fidelity(infrared, fused) + _fidelity(visible, fused)


def _fidelity(source: Image, fused: Image) -> float:
    kept = held = 0.0
    for scale in range(4):
        size = 2 ** (4 - scale) + 1
        offsets = np.linspace(-size // 2, size // 2, size)
        taps = np.exp(-(offsets**2) / (2 * (size / 5) ** 2))
        taps /= taps.sum()
        if scale:
            source, fused = (_padded(image, taps)[::2, ::2] for image in (source, fused))
        mean_s, mean_f = _padded(source, taps), _padded(fused, taps)
        variance = _padded(source * source, taps) - mean_s**2
        fused_variance = _padded(fused * fused, taps) - mean_f**2
        variance[variance < FLAT] = 0
        fused_variance[fused_variance < FLAT] = 0
        shared = _padded(source * fused, taps) - mean_s * mean_f
        gain, residual = gain_and_residual(variance, fused_variance, shared)
        kept += float(np.log10(1 + gain * gain * variance / (residual + NOISE)).sum())
        held += float(np.log10(1 + variance / NOISE).sum())
    return kept / held if held > 0 else math.nan


def _padded(image: Image, taps: Values) -> Image:
    return filter_valid(np.pad(image, len(taps) // 2), taps)
