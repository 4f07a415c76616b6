"""The losses of the generator that need no discriminator."""

import torch
import torch.nn.functional as F
from torch import Tensor

from harness.blocks.ssim import WINDOW, SourceMoments, ssim_maps

INTENSITY_WEIGHT = 20


def content_loss(
    fused: Tensor, sources: tuple[Tensor, Tensor], weights: tuple[Tensor, Tensor]
) -> Tensor:
    """Return Σ over the sources of mean w·(1 − SSIM)/2 + 20·mean w·|fused − source|.

    All images are (B, 1, H, W). SSIM is computed where its 11×11 window fits.
    """
    similar = ssim_maps(fused, tuple(SourceMoments(source) for source in sources))
    edge = WINDOW // 2
    total = fused.new_zeros(())
    for source, weight, index in zip(sources, weights, similar, strict=True):
        structure = weight[..., edge:-edge, edge:-edge] * (1 - index) / 2
        intensity = weight * (fused - source).abs()
        total = total + structure.mean() + INTENSITY_WEIGHT * intensity.mean()
    return total


def gradient_magnitude(images: Tensor) -> Tensor:
    """Return √(dx² + dy² + 1e-6) of central differences; pixels outside the image are zero.

    (B, 1, H, W) → (B, 1, H, W).
    """
    padded = F.pad(images, (1, 1, 1, 1))
    dx = padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]
    dy = padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]
    return torch.sqrt(dx**2 + dy**2 + 1e-6)
