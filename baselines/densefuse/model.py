"""DenseFuse (Li, Wu, IEEE Trans. Image Processing 28(5), 2019), its author's PyTorch version."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.blocks.layers import ReflectConv, channels_last
from harness.blocks.renaming import renamed

CHANNELS, LAYERS = 16, 3
DECODER = (64, 64, 32, 16, 1)
LEVELS = 255
"""The network takes and returns gray levels instead of [0, 1]."""
NAMES = {
    "conv1.conv2d.": "stem.",
    **{f"DB1.denseblock.{i}.dense_conv.conv2d.": f"dense.{i}." for i in range(LAYERS)},
    **{f"conv{i + 2}.conv2d.": f"decoder.{i}." for i in range(4)},
}


class DenseFuse(nn.Module):
    """An autoencoder of single images; the features of two are mixed between its halves.

    Args:
        strategy: `add`, the mean of the features, or `l1`, their mean weighted per pixel by the
            sums of their absolute values.
    """

    def __init__(self, strategy: str) -> None:
        super().__init__()
        self.mix = {"add": mean, "l1": weighted_by_l1}[strategy]
        self.stem = ReflectConv(1, CHANNELS)
        self.dense = nn.ModuleList(ReflectConv(CHANNELS * (i + 1), CHANNELS) for i in range(LAYERS))
        self.decoder = nn.ModuleList(ReflectConv(*widths) for widths in pairwise(DECODER))

    def fuse(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """Fuse float32 (B, 1, H, W) pairs in [0, 1] into values ≥ 0; H and W are 2 or more."""
        x = self.mix(self._features(infrared), self._features(visible))
        for layer in self.decoder:
            x = F.relu_(layer(x))
        return (x / LEVELS).contiguous()

    def _features(self, image: Tensor) -> Tensor:
        x = F.relu_(self.stem(channels_last(LEVELS * image)))
        for layer in self.dense:
            x = torch.cat([x, F.relu_(layer(x))], dim=1)
        return x

    @staticmethod
    def official_state(state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Convert the author's state dict into ours."""
        return renamed(state, NAMES)


def mean(a: Tensor, b: Tensor) -> Tensor:
    """Return the mean of two feature maps (B, C, H, W)."""
    return (a + b) / 2


def weighted_by_l1(a: Tensor, b: Tensor) -> Tensor:
    """Weight two feature maps ≥ 0 (B, C, H, W) at each pixel by their sums over the channels."""
    weight_a, weight_b = (features.sum(1, keepdim=True) for features in (a, b))
    total = weight_a + weight_b
    return a * (weight_a / total) + b * (weight_b / total)
