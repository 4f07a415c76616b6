"""The network that CDDFuse and PFCFuse share: features split into a base and a detail part."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.blocks.layers import channels_last, joint_conv
from harness.blocks.renaming import flattened, renamed

CHANNELS, HEADS, BLOCKS, NODES = 64, 8, 4, 3
PART = 4096
"""Pixels whose squares are summed at once."""
PARTS = {
    "DIDF_Encoder.module.patch_embed.proj.": "embed.",
    "DIDF_Encoder.module.encoder_level1.": "encoder.",
    "DIDF_Encoder.module.baseFeature.": "base.",
    "DIDF_Encoder.module.detailFeature.net.": "detail.",
    "DIDF_Decoder.module.reduce_channel.": "reduce.",
    "DIDF_Decoder.module.encoder_level2.": "decoder.",
    "DIDF_Decoder.module.output.": "head.",
    "BaseFuseLayer.module.": "base_fusion.",
    "DetailFuseLayer.module.net.0.": "detail_fusion.",
}
LAYERS = {
    ".body.": ".",
    ".attn.qkv_dwconv.": ".attention.mix.",
    ".attn.project_out.": ".attention.project.",
    ".attn.": ".attention.",
    ".ffn.project_in.": ".feed.expand.",
    ".ffn.dwconv.": ".feed.mix.",
    ".ffn.project_out.": ".feed.reduce.",
    ".shffleconv.": ".shuffle.",
    ".theta_": ".",
    ".bottleneckBlock.3.": ".2.",
    ".bottleneckBlock.5.": ".4.",
    ".bottleneckBlock.": ".",
}


class PixelNorm(nn.LayerNorm):
    """Layer normalisation of the channels of each pixel."""

    def __init__(self) -> None:
        super().__init__(CHANNELS)

    def forward(self, x: Tensor) -> Tensor:
        """(B, CHANNELS, H, W) → the same shape."""
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class ChannelAttention(nn.Module):
    """Attention between the channels of each head, over all pixels.

    Args:
        groups: groups of the 3×3 convolution of queries, keys and values.
    """

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.qkv = pointwise(CHANNELS, 3 * CHANNELS)
        self.mix = _neighbours(3 * CHANNELS, groups)
        self.temperature = nn.Parameter(torch.ones(HEADS, 1, 1))
        self.project = pointwise(CHANNELS, CHANNELS)

    def forward(self, x: Tensor) -> Tensor:
        """(B, CHANNELS, H, W) → the same shape."""
        pixels = self.mix(self.qkv(x)).movedim(1, -1)
        query, key, value = pixels.flatten(1, 2).chunk(3, dim=-1)
        # Attention and projection are both linear in the values: one matrix per image is enough.
        projection = self.project.weight[..., 0, 0] @ self._attention(query, key)
        return (value @ projection.mT).view(*pixels.shape[:-1], CHANNELS).movedim(-1, 1)  # type: ignore[no-any-return]

    def _attention(self, query: Tensor, key: Tensor) -> Tensor:
        """(B, N, CHANNELS) each → (B, CHANNELS, CHANNELS), 0 between channels of two heads."""
        cosines = (query.mT @ key) / (_length(query)[:, :, None] * _length(key)[:, None])
        head = torch.arange(CHANNELS, device=query.device) // (CHANNELS // HEADS)
        scaled = cosines * self.temperature[head, 0]
        return scaled.masked_fill(head[:, None] != head, -torch.inf).softmax(-1)


def _length(tokens: Tensor) -> Tensor:
    """Return the Euclidean length of each channel over all pixels: (B, N, C) → (B, C)."""
    # In float32, one running sum over all pixels of an image would lose digits.
    parts = [torch.linalg.vector_norm(part, dim=1) for part in torch.split(tokens, PART, dim=1)]
    return torch.linalg.vector_norm(torch.stack(parts), dim=0).clamp(min=1e-12)  # type: ignore[no-any-return]


class GatedFeed(nn.Module):
    """Two halves of hidden channels, of which one is the other's gate.

    Args:
        hidden: channels of each half.
        groups: groups of the 3×3 convolution of the hidden channels.
    """

    def __init__(self, hidden: int, groups: int) -> None:
        super().__init__()
        self.expand, self.reduce = pointwise(CHANNELS, 2 * hidden), pointwise(hidden, CHANNELS)
        self.mix = _neighbours(2 * hidden, groups)

    def forward(self, x: Tensor) -> Tensor:
        """(B, CHANNELS, H, W) → the same shape."""
        gate, hidden = self.mix(self.expand(x)).chunk(2, dim=1)
        return self.reduce(F.gelu(gate).mul_(hidden))  # type: ignore[no-any-return]


class ChannelBlock(nn.Module):
    """Channel attention and a gated feed-forward part, each added to its input."""

    def __init__(
        self, attention_groups: int = 3 * CHANNELS, hidden: int = 128, feed_groups: int = 256
    ) -> None:
        super().__init__()
        self.norm1, self.norm2 = PixelNorm(), PixelNorm()
        self.attention = ChannelAttention(attention_groups)
        self.feed = GatedFeed(hidden, feed_groups)

    def forward(self, x: Tensor) -> Tensor:
        """(B, CHANNELS, H, W) → the same shape."""
        x = x + self.attention(self.norm1(x))
        return x + self.feed(self.norm2(x))  # type: ignore[no-any-return]


class DetailNode(nn.Module):
    """An invertible coupling of the two halves of the channels."""

    def __init__(self) -> None:
        super().__init__()
        self.shuffle = nn.Conv2d(CHANNELS, CHANNELS, 1)
        self.phi, self.rho, self.eta = (_bottleneck(CHANNELS // 2) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        """(B, CHANNELS, H, W), H and W ≥ 2 → the same shape."""
        first, second = self.shuffle(x).chunk(2, dim=1)
        second = second + self.phi(first)
        first = first * self.rho(second).exp_() + self.eta(second)
        return torch.cat([first, second], dim=1)


class Decomposition(nn.Module):
    """The network: both images share an encoder, the sums of their parts are fused and decoded.

    Args:
        base: makes the block of base features, the only part in which the two methods differ.
    """

    def __init__(self, base: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.embed = _wide(1, CHANNELS)
        self.encoder = nn.Sequential(*(ChannelBlock() for _ in range(BLOCKS)))
        self.base, self.base_fusion = base(), base()
        self.detail = nn.Sequential(*(DetailNode() for _ in range(NODES)))
        self.detail_fusion = DetailNode()
        self.reduce = pointwise(2 * CHANNELS, CHANNELS)
        self.decoder = nn.Sequential(*(ChannelBlock() for _ in range(BLOCKS)))
        self.head = nn.Sequential(
            _wide(CHANNELS, CHANNELS // 2), nn.LeakyReLU(0.01), _wide(CHANNELS // 2, 1)
        )

    def forward(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """(B, 1, H, W) pairs in [0, 1], H and W ≥ 2 → (B, 1, H, W) in (0, 1)."""
        base, detail = self._parts(visible)
        other_base, other_detail = self._parts(infrared)
        parts = [self.base_fusion(base + other_base), self.detail_fusion(detail + other_detail)]
        change = self.head(self.decoder(joint_conv(self.reduce, parts)))
        return torch.sigmoid(visible + change)

    def _parts(self, image: Tensor) -> tuple[Tensor, Tensor]:
        features = self.encoder(self.embed(channels_last(image)))
        return self.base(features), self.detail(features)

    def fuse(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """Fuse float32 (B, 1, H, W) pairs; see `harness.methods.contract.Method`."""
        return self(infrared, visible).contiguous()  # type: ignore[no-any-return]


def authors_names(state: Mapping[str, Any], layers: Mapping[str, str]) -> dict[str, Tensor]:
    """Convert the authors' four state dicts into ours; `layers` are names of the base block."""
    converted = {}
    for key, tensor in renamed(flattened(state), PARTS).items():
        for theirs, ours in {**layers, **LAYERS}.items():
            key = key.replace(theirs, ours)
        converted[key] = tensor
    return converted


def pointwise(inputs: int, outputs: int) -> nn.Conv2d:
    """Make a 1×1 convolution without bias."""
    return nn.Conv2d(inputs, outputs, 1, bias=False)


def _wide(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)


def _neighbours(channels: int, groups: int) -> nn.Conv2d:
    return nn.Conv2d(channels, channels, 3, padding=1, groups=groups, bias=False)


def _bottleneck(channels: int) -> nn.Sequential:
    wide = 2 * channels
    spread = nn.Conv2d(wide, wide, 3, padding=1, padding_mode="reflect", groups=wide, bias=False)
    return nn.Sequential(
        pointwise(channels, wide), nn.ReLU6(inplace=True), spread, nn.ReLU6(inplace=True),
        pointwise(wide, channels),
    )  # fmt: skip
