"""The losses of SegFANet, Eqs. 14–18."""

import torch
import torch.nn.functional as F
from torch import Tensor

from harness.datasets.base import IGNORE
from harness.ssim import SourceMoments, ssim_many

DICE_SMOOTH = 0.05


def similarity_loss(image: Tensor, sources: tuple[SourceMoments, ...]) -> Tensor:
    """Σ (1 − SSIM(image, source)): Eq. 15 for the fused image, a summand of Eq. 16 for I_res,i."""
    return torch.stack([1 - value for value in ssim_many(image, sources)]).sum()


def reconstruction_loss(images: list[Tensor], infrared: Tensor, visible: Tensor) -> Tensor:
    """Eqs. 16, 17: every IRM's image against both sources, resampled to the image's size."""
    total = infrared.new_zeros(())
    for image in images:
        size = (image.shape[-2], image.shape[-1])
        sources = tuple(SourceMoments(_shrink(source, size)) for source in (infrared, visible))
        total = total + similarity_loss(image, sources)
    return total


def _shrink(source: Tensor, size: tuple[int, int]) -> Tensor:
    if source.shape[-2:] == size:
        return source
    # Averages where the image is smaller, so that no source pixel is skipped.
    return F.interpolate(source, size=size, mode="bilinear", antialias=True, align_corners=False)


def segmentation_loss(logits: Tensor, label: Tensor) -> Tensor:
    """Eq. 18: cross entropy plus Dice over the pixels that have a label.

    Args:
        logits: (B, classes, H, W).
        label: int64 (B, H, W), class index or 255.
    """
    known = label != IGNORE
    if not bool(known.any()):
        return logits.sum() * 0.0
    cross_entropy = F.cross_entropy(logits, label, ignore_index=IGNORE)
    return cross_entropy + dice_loss(logits.softmax(1), label, known)


def dice_loss(shares: Tensor, label: Tensor, known: Tensor) -> Tensor:
    """Soft Dice loss, mean over the classes that occur in the labels.

    Args:
        shares: (B, classes, H, W), softmax of the logits.
        label: int64 (B, H, W).
        known: bool (B, H, W), False where a pixel has no label.
    """
    classes = shares.shape[1]
    target = F.one_hot(label.where(known, 0), classes).movedim(-1, 1) * known[:, None]
    shares = shares * known[:, None]
    overlap = (shares * target).sum((0, 2, 3))
    total = shares.sum((0, 2, 3)) + target.sum((0, 2, 3))
    present = target.sum((0, 2, 3)) > 0
    dice = (2 * overlap + DICE_SMOOTH) / (total + DICE_SMOOTH)
    return 1 - dice[present].mean()
