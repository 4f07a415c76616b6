"""Layers that both branches of LiMFusion use."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.blocks.layers import bordered_conv


class Conv(nn.Conv2d):
    """3×3 convolution with reflected borders and LeakyReLU 0.01."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 3)
        self.bias: nn.Parameter

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) → (B, outputs, H, W)."""
        return F.leaky_relu(bordered_conv(x, self.weight, self.bias, mode="reflect"), 0.01)


def emphasised(features: Tensor, own: Tensor, other: Tensor) -> Tensor:
    """Return features·(1 + σ(2·own − other)): amplify where `own` outweighs `other`."""
    return torch.addcmul(features, features, torch.sigmoid(2 * own - other))
