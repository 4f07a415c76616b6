"""Control: Laplacian pyramid fusion (Burt & Adelson 1983), a classic method without training."""

import torch
import torch.nn.functional as F
from torch import Tensor

KERNEL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)


def _blur(image: Tensor) -> Tensor:
    weights = image.new_tensor(KERNEL)
    padded = F.pad(image, (2, 2, 2, 2), mode="replicate")
    return F.conv2d(F.conv2d(padded, weights.view(1, 1, 5, 1)), weights.view(1, 1, 1, 5))


def _expand(image: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(image, size=like.shape[-2:], mode="bilinear", align_corners=False)


class LaplacianPyramid:
    """Takes the coefficient of larger magnitude at each level, and averages the base."""

    def __init__(self, levels: int) -> None:
        self.levels = levels

    def fuse(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """Fuse (B, 1, H, W) pairs; the sum of details may leave [0, 1]."""
        base_a, base_b = infrared, visible
        details = []
        for _ in range(self.levels):
            small_a, small_b = _blur(base_a)[..., ::2, ::2], _blur(base_b)[..., ::2, ::2]
            detail_a = base_a - _expand(small_a, base_a)
            detail_b = base_b - _expand(small_b, base_b)
            details.append(torch.where(detail_a.abs() >= detail_b.abs(), detail_a, detail_b))
            base_a, base_b = small_a, small_b
        fused = (base_a + base_b) / 2
        for detail in reversed(details):
            fused = _expand(fused, detail) + detail
        return fused
