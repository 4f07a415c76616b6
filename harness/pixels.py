"""Pixel arithmetic: luma, colour recomposition, quantisation and output stretching.

Published test scripts stretch a fused image before they save it. The raw output of every method
is measured (`none`: clamp, ×255, truncate). The other stretches are further rows of the tables,
because they move every contrast metric (`docs/protocol.md`, point 5).
"""

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from metrics.images import luma

Float = NDArray[np.float32]
Bytes = NDArray[np.uint8]

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of red, green and blue in luma (BT.601)."""
IGNORE = 255
"""Label of a pixel that belongs to no class and takes part in no loss."""


def exact_luma(rgb: Bytes) -> Float:
    """Return BT.601 luma of uint8 (..., 3, H, W) as float32 (..., H, W) in [0, 1], not rounded."""
    red, green, blue = (rgb[..., band, :, :] / np.float32(255) for band in range(3))
    exact: Float = LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue
    return exact


def recompose(fused: Float, rgb: Bytes) -> Float:
    """Give a fused luma the chroma of the visible image.

    Args:
        fused: (N, H, W) float32 luma in [0, 1].
        rgb: (N, 3, H, W) uint8 visible image whose Cb and Cr (BT.601, full range) are kept.

    Returns:
        (N, 3, H, W) float32 RGB clipped to [0, 1].
    """
    visible = rgb.astype(np.float32) / np.float32(255)
    # With Cb and Cr kept, every channel moves by the change of luma alone.
    change = fused - np.einsum("c,nchw->nhw", LUMA, visible)
    recomposed: Float = np.clip(visible + change[:, None], 0.0, 1.0)
    return recomposed


TRUNCATE, ROUND = "truncate", "round"
"""Rules by which [0, 255] becomes 8 bits."""


def quantise(values: Float, rule: str = TRUNCATE) -> Bytes:
    """Map [0, 1] to 0-255, by truncation as the compared authors' scripts do, or with .5 up."""
    half = np.float32(0.5 if rule == ROUND else 0)
    return (np.clip(values, 0.0, 1.0) * np.float32(255) + half).astype(np.uint8)


def quantise_rounded(values: Float) -> Bytes:
    """Map [0, 1] to 0-255 by rounding, halves up, as other scripts do."""
    return (np.clip(values, 0.0, 1.0) * np.float32(255) + np.float32(0.5)).astype(np.uint8)


def _span(values: Float, axes: tuple[int, ...]) -> Float:
    low = values.min(axis=axes, keepdims=True)
    width = values.max(axis=axes, keepdims=True) - low
    # A flat image has nothing to stretch and stays as it is.
    return np.where(width > 0, (values - low) / np.where(width > 0, width, 1), values)


def _clamped(fused: Float) -> Float:
    return np.clip(fused, 0, 1)


def _minmax(fused: Float) -> Float:
    return _span(_clamped(fused), (1, 2))


LUMAS: dict[str, Callable[[Float], Float]] = {"none": _clamped, "minmax": _minmax}
"""Stretch of the luma by itself → its function."""
TOGETHER = {"minmax_rgb": 1, "minmax_rgb_batch2": 2}
"""Stretch of recomposed RGB → the number of consecutive tiles that share minimum and maximum."""


def _spanned_colours(stretch: str, fused: Float, rgb: Bytes) -> Bytes:
    colour, together = recompose(fused, rgb), TOGETHER[stretch]
    starts = range(0, len(colour), together)
    spanned = [_span(colour[i : i + together], (0, 1, 2, 3)) for i in starts]
    return quantise(np.concatenate(spanned))


def _stretched(stretch: str, fused: Float, rgb: Bytes) -> Bytes:
    if stretch in LUMAS:
        return quantise(LUMAS[stretch](fused))
    return luma(_spanned_colours(stretch, fused, rgb))


def stretched_colours(stretch: str, fused: Float, rgb: Bytes) -> Bytes:
    """Stretch like `STRETCHES[stretch]`, and keep the colours: (N, 3, H, W) uint8."""
    if stretch in LUMAS:
        return quantise(recompose(LUMAS[stretch](fused), rgb))
    return _spanned_colours(stretch, fused, rgb)


PUBLISHED = "published"
"""Name of the output that is made as the authors publish it, by `harness.fusing.publishing`."""
STRETCHES: dict[str, Callable[[Float, Bytes], Bytes]] = {
    name: partial(_stretched, name) for name in (*LUMAS, *TOGETHER)
}
"""Name → function of fused luma (N, H, W) float32 in [0, 1] and the visible RGB
(N, 3, H, W) uint8, giving the (N, H, W) uint8 luma that is measured. `minmax` spans one
tile's luma, `minmax_rgb` one tile's recomposed RGB, `minmax_rgb_batch2` the RGB of two
consecutive tiles (N must then be even, or end the split)."""
