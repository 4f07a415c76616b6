"""The 8-bit YCrCb of OpenCV, with which many authors take images apart and put colour back.

It is BT.601 in full range with factors of three digits in fixed point, so that its luma differs
from the exact one by a level in some colours, and going there and back changes colours a little.
"""

import torch
from torch import Tensor

BITS = 14
HALF = 1 << (BITS - 1)
MIDDLE = 128
"""Cr and Cb of gray."""


def _fixed(factor: float) -> int:
    return round(factor * (1 << BITS))


def _shifted(products: Tensor) -> Tensor:
    return (products + HALF) >> BITS


def to_ycrcb(rgb: Tensor) -> Tensor:
    """Convert uint8 (B, 3, H, W) RGB to int32 (B, 3, H, W) Y, Cr and Cb in 0-255."""
    red, green, blue = rgb.int().unbind(1)
    y = _shifted(_fixed(0.299) * red + _fixed(0.587) * green + _fixed(0.114) * blue)
    cr = _shifted(_fixed(0.713) * (red - y)) + MIDDLE
    cb = _shifted(_fixed(0.564) * (blue - y)) + MIDDLE
    return torch.stack([y, cr, cb], dim=1).clamp(0, 255)


def to_rgb(ycrcb: Tensor) -> Tensor:
    """Convert integer (B, 3, H, W) Y, Cr and Cb in 0-255 to uint8 (B, 3, H, W) RGB."""
    y, cr, cb = ycrcb.int().unbind(1)
    cr, cb = cr - MIDDLE, cb - MIDDLE
    red = y + _shifted(_fixed(1.403) * cr)
    green = y + _shifted(_fixed(-0.714) * cr + _fixed(-0.344) * cb)
    blue = y + _shifted(_fixed(1.773) * cb)
    return torch.stack([red, green, blue], dim=1).clamp(0, 255).to(torch.uint8)
