"""PFCFuse (Hu, Liu, Yang, IEEE TIM 73, 2024): base features by pooling."""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.blocks.decomposition import (
    CHANNELS,
    Decomposition,
    PixelNorm,
    authors_names,
    pointwise,
)
from harness.blocks.layers import stretched
from harness.blocks.ycrcb import to_rgb, to_ycrcb

HIDDEN = 256
NAMES = {
    ".layer_scale_": ".scale",
    ".poolmlp.fc1.": ".expand.",
    ".poolmlp.fc2.": ".reduce.",
}


class PoolBlock(nn.Module):
    """A PoolFormer block: difference from the local mean, then a perceptron, each scaled."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = PixelNorm(), PixelNorm()
        self.scale1, self.scale2 = (nn.Parameter(torch.ones(CHANNELS)) for _ in range(2))
        self.expand, self.reduce = pointwise(CHANNELS, HIDDEN), pointwise(HIDDEN, CHANNELS)

    def forward(self, x: Tensor) -> Tensor:
        """(B, CHANNELS, H, W) → the same shape."""
        normal = self.norm1(x)
        # Zeros outside the image count in the mean, as they do in the authors' pooling.
        difference = F.avg_pool2d(normal, 3, stride=1, padding=1) - normal
        x = x + self.scale1[:, None, None] * difference
        fed = self.reduce(F.gelu(self.expand(self.norm2(x))))
        return x + self.scale2[:, None, None] * fed  # type: ignore[no-any-return]


class PFCFuse(Decomposition):
    """The network of CDDFuse with another block of base features."""

    def __init__(self) -> None:
        super().__init__(PoolBlock)

    def publish(self, infrared: Tensor, visible: Tensor, rgb: Tensor | None) -> Tensor:
        """Stretch from minimum to maximum, truncate, put OpenCV's 8-bit Cr and Cb back."""
        luma = (stretched(self.fuse(infrared, visible)) * 255).to(torch.uint8)
        if rgb is None:
            return luma[0, 0]
        return to_rgb(torch.cat([luma, to_ycrcb(rgb)[:, 1:]], dim=1))[0]

    @staticmethod
    def official_state(state: Mapping[str, Any]) -> dict[str, Tensor]:
        """Convert the authors' four state dicts into ours."""
        return authors_names(state, NAMES)
