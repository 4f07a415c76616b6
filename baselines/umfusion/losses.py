"""The losses of UMF-CMGR's fusion network."""

import torch
import torch.nn.functional as F
from torch import Tensor

from harness.blocks.ssim import WINDOW, blur

LEVEL_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
"""The authors' constants: they are made for data in 0–255, although the data are in 0–1. The
structure term is therefore nearly flat; the authors' weights are trained with it."""


def laplacian(images: Tensor) -> Tensor:
    """Return (sum of the eight neighbours − eight times the pixel) / 16; borders are reflected.

    (B, 1, H, W) → (B, 1, H, W). With the factor 1/16 the absolute weights sum to 1.
    """
    kernel = images.new_full((1, 1, 3, 3), 1 / 16)
    kernel[0, 0, 1, 1] = -8 / 16
    return F.conv2d(F.pad(images, (1, 1, 1, 1), mode="reflect"), kernel)


def multiscale_ssim(images: Tensor, target: Tensor) -> Tensor:
    """Return the multi-scale SSIM (Wang et al. 2003) over five levels, a scalar.

    Both images are (B, 1, H, W), H and W ≥ 16.
    """
    total = images.new_ones(())
    for level, weight in enumerate(LEVEL_WEIGHTS):
        luminance, contrast = _terms(images, target)
        last = level == len(LEVEL_WEIGHTS) - 1
        # Contrast may be slightly negative, and a negative number has no real power.
        total = total * (luminance * contrast if last else contrast).mean().clamp(min=0) ** weight
        images, target = F.avg_pool2d(images, 2), F.avg_pool2d(target, 2)
    return total


def _terms(images: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    moments = torch.cat([images, target, images**2, target**2, images * target], dim=1)
    mean_a, mean_b, square_a, square_b, cross = blur(moments, WINDOW // 2).chunk(5, dim=1)
    luminance = (2 * mean_a * mean_b + C1) / (mean_a**2 + mean_b**2 + C1)
    variances = square_a - mean_a**2 + square_b - mean_b**2
    return luminance, (2 * (cross - mean_a * mean_b) + C2) / (variances + C2)
