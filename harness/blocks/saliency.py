"""Histogram contrast: how far a pixel's gray level is from all others of its picture."""

import torch
from torch import Tensor

LEVELS = 256


def histogram_contrast(images: Tensor) -> Tensor:
    """Saliency of every pixel as the sum of its gray-level distances to all pixels.

    Args:
        images: (B, 1, H, W) in [0, 1]; rounded to 256 levels.

    Returns:
        (B, 1, H, W) in [0, 1], each image divided by its largest value; 0 on a flat image.
    """
    levels = (images.detach() * (LEVELS - 1)).round().long().clamp(0, LEVELS - 1)
    gray = torch.arange(LEVELS, device=images.device, dtype=torch.float64)
    distance = (gray[:, None] - gray).abs()
    saliency = [
        distance @ torch.bincount(image.flatten(), minlength=LEVELS).double() for image in levels
    ]
    maps = torch.stack([table[image] for table, image in zip(saliency, levels, strict=True)])
    largest = maps.amax((1, 2, 3), keepdim=True).clamp(min=1)
    return (maps / largest).to(images.dtype)


def saliency_weights(infrared: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
    """Weights of both sources, ½ ± ½(s_ir − s_vi): (B, 1, H, W) each, summing to 1."""
    lead = 0.5 * (histogram_contrast(infrared) - histogram_contrast(visible))
    return 0.5 + lead, 0.5 - lead
