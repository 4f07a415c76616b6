"""Histogram contrast: how far a pixel's grey level is from those of all other pixels."""

import torch
from torch import Tensor

LEVELS = 256


def histogram_contrast(images: Tensor) -> Tensor:
    """Return the saliency of each pixel: the sum of its grey-level distances to all pixels.

    Images are (B, 1, H, W) in [0, 1] and are rounded to 256 levels. The maps have the same shape
    and range: each is divided by its largest value, and is 0 for a flat image.
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
    """Return the weights of both sources, ½ ± ½(s_ir − s_vi): (B, 1, H, W) each; their sum is 1."""
    lead = 0.5 * (histogram_contrast(infrared) - histogram_contrast(visible))
    return 0.5 + lead, 0.5 - lead
