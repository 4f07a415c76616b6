"""Layers that both branches of LiMFusion use."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Conv(nn.Conv2d):
    """3×3 convolution with reflected borders and LeakyReLU 0.01."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 3)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) → (B, outputs, H, W)."""
        return F.leaky_relu(super().forward(F.pad(x, (1, 1, 1, 1), mode="reflect")), 0.01)


def emphasised(features: Tensor, own: Tensor, other: Tensor) -> Tensor:
    """features·(1 + σ(2·own − other)): raise what this modality weighs more than the other."""
    return torch.addcmul(features, features, torch.sigmoid(2 * own - other))
