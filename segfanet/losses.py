"""The losses of SegFANet, Eqs. 14–18."""

import torch
import torch.nn.functional as F
from torch import Tensor

from harness.blocks.distributed import total
from harness.blocks.ssim import SourceMoments, ssim_many
from harness.methods.contract import IGNORE

DICE_SMOOTH = 0.05


class Sources:
    """The pair that images are compared with; its moments are computed once per size.

    Infrared and luma of the visible image are float32 (B, 1, H, W) in [0, 1].
    """

    def __init__(self, infrared: Tensor, visible: Tensor) -> None:
        self.pair = infrared, visible
        self._moments: dict[tuple[int, int], tuple[SourceMoments, ...]] = {}

    def moments(self, size: tuple[int, int]) -> tuple[SourceMoments, ...]:
        """Return the moments of both sources, resampled to (height, width)."""
        if size not in self._moments:
            self._moments[size] = tuple(SourceMoments(_shrink(x, size)) for x in self.pair)
        return self._moments[size]


def similarity_loss(image: Tensor, sources: Sources) -> Tensor:
    """Return Σ (1 − SSIM(image, source)): Eq. 15 of the fused image, a term of Eq. 16 of I_res,i.

    The image is (B, 1, h, w) in [0, 1]; the sources are resampled to its size.
    """
    moments = sources.moments((image.shape[-2], image.shape[-1]))
    return torch.stack([1 - value for value in ssim_many(image, moments)]).sum()


def reconstruction_loss(images: list[Tensor], sources: Sources) -> Tensor:
    """Return Eqs. 16, 17: each IRM's image against both sources, resampled to its size."""
    return torch.stack([similarity_loss(image, sources) for image in images]).sum()


def _shrink(source: Tensor, size: tuple[int, int]) -> Tensor:
    if source.shape[-2:] == size:
        return source
    # Antialiasing averages when the image is smaller, so that no source pixel is skipped.
    return F.interpolate(source, size=size, mode="bilinear", antialias=True, align_corners=False)


def segmentation_loss(logits: Tensor, label: Tensor, dice: str = "present") -> Tensor:
    """Return Eq. 18: cross entropy plus Dice over the pixels with a label; 0 if there is none.

    Logits are (B, classes, H, W), labels int64 (B, H, W), 255 for a pixel without a label. `dice`
    names the classes of the Dice term, `present` or `all`.
    """
    target = one_hot(label, logits.shape[1])
    # Computed in single precision, even if the network uses half precision.
    log_shares = F.log_softmax(logits.to(target.dtype), 1)
    # Written out, because torch's own cross entropy is not repeatable on a GPU.
    labelled = total(target.sum()).clamp(min=1)
    cross_entropy = -total((log_shares * target).sum()) / labelled
    return cross_entropy + dice_loss(log_shares.exp(), target, dice)


def one_hot(label: Tensor, classes: int) -> Tensor:
    """int64 (B, H, W) → float32 (B, classes, H, W); a pixel without a label is all zero."""
    known = label != IGNORE
    target = F.one_hot(label.where(known, 0), classes).movedim(-1, 1)
    return (target * known[:, None]).to(torch.float32)


def dice_loss(shares: Tensor, target: Tensor, classes: str = "present") -> Tensor:
    """Return the soft Dice loss, 0 if there is no label: the mean over classes.

    Averaged are those that are `present` in the labels, or `all`. `shares` is the softmax of the
    logits, `target` from `one_hot`: (B, classes, H, W) each.
    """
    known = target.sum(1, keepdim=True)
    overlap, size, predicted = (
        total(part.sum((0, 2, 3))) for part in (shares * target, target, shares * known)
    )
    dice = (2 * overlap + DICE_SMOOTH) / (predicted + size + DICE_SMOOTH)
    counted = size > 0 if classes == "present" else torch.ones_like(size)
    return ((1 - dice) * counted).sum() / counted.sum().clamp(min=1)
