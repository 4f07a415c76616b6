"""Layers that several methods share."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ConvNorm(nn.Module):
    """3×3 convolution with repeated borders, batch normalisation, ReLU.

    Outside training the normalisation is a fixed scale and shift, so it is folded into the
    convolution: the same numbers up to rounding, with one pass over the picture less.
    Memory is channels last, in which convolutions of few channels are about twice as fast.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(inputs, outputs, 3), nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) → (B, outputs, H, W)."""
        x = x.contiguous(memory_format=torch.channels_last)
        x = F.pad(x, (1, 1, 1, 1), mode="replicate")
        if self.training:
            return F.relu(self.bn(self.conv(x)))
        return F.relu_(F.conv2d(x, *folded(self.conv, self.bn)))


def folded(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Weight and bias of a convolution that includes the normalisation after it."""
    if conv.bias is None or norm.running_mean is None or norm.running_var is None:
        raise ValueError("folding needs a bias and running statistics")
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    bias = norm.bias + (conv.bias - norm.running_mean) * scale
    return conv.weight * scale[:, None, None, None], bias
