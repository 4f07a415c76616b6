"""U2Fusion (Xu et al., IEEE Trans. PAMI 44(1), 2022): one dense network for every fusion task."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.blocks.layers import ReflectConv

GROWTH, DENSE_LAYERS = 44, 5
DECODER = (264, 128, 64, 32, 1)
SLOPE = 0.2
CHROMA = ((-0.1687, -0.3313, 0.5), (0.5, -0.4187, -0.0813))
"""Weights of R, G and B in Cb and Cr."""
BACK = ((0.0, 1.402), (-0.34414, -0.71414), (1.772, 0.0))
"""Weights of Cb and Cr in R, G and B."""


class U2Fusion(nn.Module):
    """The network; it is trained with swapped sources, yet their order changes the result.

    Args:
        first: the source in the first channel: `visible` as in the authors' script, or
            `infrared` as in the published collections of results.
        script: the authors' script that saves the images: `2023` divides an image by its
            maximum, `2019` stretches it from its minimum to its maximum.
    """

    official_order = tuple(f"layers.{i}.{part}" for i in range(10) for part in ("bias", "weight"))

    def __init__(self, first: str, script: int) -> None:
        super().__init__()
        self.infrared_first = {"visible": False, "infrared": True}[first]
        self.from_zero = {2023: True, 2019: False}[script]
        widths = [(GROWTH * n or 2, GROWTH) for n in range(DENSE_LAYERS + 1)]
        widths += pairwise(DECODER)
        self.layers = nn.ModuleList(ReflectConv(*pair) for pair in widths)

    def fuse(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """Fuse float32 (B, 1, H, W) pairs in [0, 1] into (0, 1); H and W are 2 or more."""
        pair = (infrared, visible) if self.infrared_first else (visible, infrared)
        stem, *inner, last = self.layers
        # All dense features lie in one buffer, the newest first, instead of being copied at each
        # layer. Channel by channel, what a layer reads of it is contiguous.
        start = GROWTH * DENSE_LAYERS
        dense = infrared.new_empty(len(infrared), start + GROWTH, *infrared.shape[2:])
        dense[:, start:] = F.leaky_relu_(stem(torch.cat(pair, dim=1)), SLOPE)
        for layer in inner[:DENSE_LAYERS]:
            new = F.leaky_relu_(layer(dense[:, start:]), SLOPE)
            dense[:, start - GROWTH : start] = new
            start -= GROWTH
        x = dense
        for layer in inner[DENSE_LAYERS:]:
            x = F.leaky_relu_(layer(x), SLOPE)
        fused: Tensor = torch.tanh(last(x)) / 2 + 0.5
        return fused

    def publish(self, infrared: Tensor, visible: Tensor, rgb: Tensor | None) -> Tensor:
        """Divide by the maximum of all channels (or stretch from the minimum), then round."""
        image = self.fuse(infrared, visible)[0]
        if rgb is not None:
            colours = rgb[0].to(image) / 255
            chroma = torch.einsum("kc,chw->khw", image.new_tensor(CHROMA), colours)
            image = image + torch.einsum("ck,khw->chw", image.new_tensor(BACK), chroma)
        low = 0 if self.from_zero else image.min()
        scale = 255 / (image.max() - low)
        levels = ((image - low) * scale).clamp(0, 255).add(0.5).to(torch.uint8)
        return levels[0] if rgb is None else levels
