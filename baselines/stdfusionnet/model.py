"""STDFusionNet (Ma et al., IEEE Trans. Instrumentation and Measurement 70, 2021)."""

from collections.abc import Callable
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.blocks.layers import channels_last

SLOPE = 0.2
WIDTHS = ((16, 16), (16, 32), (32, 64))
"""Inputs and outputs of an encoder's blocks."""


def _leaky(x: Tensor) -> Tensor:
    return F.leaky_relu_(x, SLOPE)


class Residual(nn.Module):
    """Three convolutions and a shortcut, which is linear where the number of channels changes."""

    def __init__(self, inputs: int, outputs: int, activation: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, inputs, 1)
        self.conv2 = nn.Conv2d(inputs, inputs, 3, padding=1)
        self.conv3 = nn.Conv2d(inputs, outputs, 1)
        self.identity_conv = (
            nn.Conv2d(inputs, outputs, 1, bias=False) if outputs != inputs else nn.Identity()
        )
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) → (B, outputs, H, W)."""
        inner = _leaky(self.conv2(_leaky(self.conv1(x))))
        return self.activation(self.conv3(inner).add_(self.identity_conv(x)))


class Encoder(nn.Module):
    """The features of one modality."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 5, padding=2)
        self.block1, self.block2, self.block3 = (Residual(a, b, _leaky) for a, b in WIDTHS)

    def forward(self, image: Tensor) -> Tensor:
        """(B, 1, H, W) in [−1, 1] → (B, 64, H, W)."""
        x = _leaky(self.conv1(channels_last(image)))
        return self.block3(self.block2(self.block1(x)))  # type: ignore[no-any-return]


class Reconstruction(nn.Module):
    """The image of the joined features."""

    def __init__(self) -> None:
        super().__init__()
        self.block1, self.block2 = Residual(128, 64, F.elu_), Residual(64, 32, F.elu_)
        self.block3, self.block4 = Residual(32, 16, _leaky), Residual(16, 1, torch.tanh)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 128, H, W) → (B, 1, H, W) in (−1, 1)."""
        return self.block4(self.block3(self.block2(self.block1(x))))  # type: ignore[no-any-return]


def _file_order() -> list[str]:
    """List the network's tensors as TensorFlow sorts the authors' names: bias before kernel."""
    names = []
    for network, blocks in (("infrared", 3), ("reconstruction", 4), ("visible", 3)):
        for block, layer in product(range(1, blocks + 1), (1, 2, 3)):
            names += [f"{network}.block{block}.conv{layer}.{part}" for part in ("bias", "weight")]
            if layer == 3 and (blocks, block) != (3, 1):
                names.append(f"{network}.block{block}.identity_conv.weight")
        if network != "reconstruction":
            names += [f"{network}.conv1.bias", f"{network}.conv1.weight"]
    return names


class STDFusionNet(nn.Module):
    """The network; both modalities have weights of their own."""

    official_order = tuple(_file_order())

    def __init__(self) -> None:
        super().__init__()
        self.infrared, self.visible = Encoder(), Encoder()
        self.reconstruction = Reconstruction()

    def fuse(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """Fuse float32 (B, 1, H, W) pairs in [0, 1], any size, into values in (0, 1)."""
        features = [self.visible(2 * visible - 1), self.infrared(2 * infrared - 1)]
        fused: Tensor = self.reconstruction(torch.cat(features, dim=1))
        return ((fused + 1) / 2).contiguous()
