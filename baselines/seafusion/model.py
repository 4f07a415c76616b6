"""SeAFusion (Tang, Yuan, Ma, Information Fusion 82, 2022): dense blocks with gradient shortcuts."""

from itertools import pairwise, product

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.blocks.layers import channels_last, joint_conv
from harness.blocks.renaming import renamed

SLOPE, BLOCK_SLOPE = 0.2, 0.1
"""Slopes of the leaky ReLU: everywhere, and after the sum at the end of a block."""
DECODER = (64, 32, 16, 1)
BLOCK_NAMES = {
    "dense.conv1.conv.": "first.",
    "dense.conv2.conv.": "second.",
    "convdown.conv.": "merge.",
    "sobelconv.convx.": "columns.",
    "sobelconv.convy.": "rows.",
    "convup.conv.": "shortcut.",
}
MODALITIES = (("vis", "visible"), ("inf", "infrared"))
NAMES = {
    **{f"{theirs}_conv.conv.": f"{ours}.stem." for theirs, ours in MODALITIES},
    **{
        f"{theirs}_rgbd{i + 1}.{layer}": f"{ours}.blocks.{i}.{BLOCK_NAMES[layer]}"
        for (theirs, ours), i, layer in product(MODALITIES, range(2), BLOCK_NAMES)
    },
    "decode4.conv.": "join.",
    **{f"decode{3 - i}.conv.": f"decoder.{i}." for i in range(3)},
}
UNUSED = tuple(f"decode{i}.bn." for i in range(1, 5))


class GradientDenseBlock(nn.Module):
    """Two densely connected convolutions, plus the gradient magnitude of the input."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, inputs, 3, padding=1)
        self.second = nn.Conv2d(2 * inputs, inputs, 3, padding=1)
        self.merge = nn.Conv2d(3 * inputs, outputs, 1)
        # They start as Sobel filters, but are trained like all other weights.
        self.columns, self.rows = (
            nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs, bias=False) for _ in range(2)
        )
        self.shortcut = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) → (B, outputs, H, W)."""
        a = F.leaky_relu_(self.first(x), SLOPE)
        b = F.leaky_relu_(joint_conv(self.second, [x, a]), SLOPE)
        gradient = self.columns(x).abs_().add_(self.rows(x).abs_())
        total = joint_conv(self.merge, [x, a, b]).add_(self.shortcut(gradient))
        return F.leaky_relu_(total, BLOCK_SLOPE)


class Encoder(nn.Module):
    """The features of one modality."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 16, 3, padding=1)
        self.blocks = nn.Sequential(GradientDenseBlock(16, 32), GradientDenseBlock(32, 48))

    def forward(self, image: Tensor) -> Tensor:
        """(B, 1, H, W) → (B, 48, H, W)."""
        stem = F.leaky_relu_(self.stem(channels_last(image)), SLOPE)
        return self.blocks(stem)  # type: ignore[no-any-return]


class SeAFusion(nn.Module):
    """The network; both modalities have weights of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.visible, self.infrared = Encoder(), Encoder()
        self.join = nn.Conv2d(2 * 48, DECODER[0], 3, padding=1)
        self.decoder = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in pairwise(DECODER))

    def fuse(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """Fuse float32 (B, 1, H, W) pairs in [0, 1], any size, into values in (0, 1)."""
        x = joint_conv(self.join, [self.visible(visible), self.infrared(infrared)])
        for layer in self.decoder:
            x = layer(F.leaky_relu_(x, SLOPE))
        return (torch.tanh(x) / 2 + 0.5).contiguous()

    @staticmethod
    def official_state(state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Convert the authors' state dict into ours; their normalisations never run."""
        return renamed(state, NAMES, unused=UNUSED)
