"""The transformer block that YDTR and ITFuse share, reduced without changing its result."""

from functools import reduce
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CACHED = 2**18
"""Floats of a hidden layer that one CPU core processes at a time; they fit into its cache."""


class TokenBlock(nn.Module):
    """One block: normalise, project, normalise, two-layer perceptron.

    The authors' block is window attention with windows of one token. Softmax over one element
    is 1, so query, key, scale and position table have no effect, and attention is its value
    projection followed by its output projection. This is an identity, not an approximation.

    Args:
        dim: floats per token.
        ratio: width of the perceptron's hidden layer divided by `dim`.
    """

    def __init__(self, dim: int, ratio: int = 4) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.value, self.project = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.expand, self.reduce = nn.Linear(dim, ratio * dim), nn.Linear(ratio * dim, dim)

    def forward(self, tokens: Tensor, attention: tuple[Tensor, Tensor]) -> Tensor:
        """(N, dim) → (N, dim); `attention` is what the method of this name returns."""
        tokens = tokens + F.linear(self.norm1(tokens), *attention)
        hidden = F.gelu(self.expand(self.norm2(tokens)))
        return tokens + self.reduce(hidden)  # type: ignore[no-any-return]

    def attention(self) -> tuple[Tensor, Tensor]:
        """Return weight and bias of one map that equals the value and output projections."""
        weight = self.project.weight @ self.value.weight
        return weight, torch.addmv(self.project.bias, self.project.weight, self.value.bias)


class Tokens(nn.Module):
    """Token blocks applied to the memory of a feature map.

    A token is `dim` neighbouring floats of the (B, C, H, W) buffer: `dim` successive pixels of
    one channel. If H·W is not a multiple of `dim`, a token continues in the next channel. The
    authors reinterpret the buffer in this way instead of transposing it, and their weights are
    trained for it.
    """

    def __init__(self, dim: int, blocks: int) -> None:
        super().__init__()
        self.dim = dim
        self.blocks = nn.ModuleList(TokenBlock(dim) for _ in range(blocks))

    def forward(self, features: Tensor) -> Tensor:
        """(B, dim, H, W) → (B, dim, H, W); without gradients the input is overwritten."""
        tokens = _channel_major(features).view(-1, self.dim)
        blocks = cast("list[TokenBlock]", list(self.blocks))
        together = torch.get_num_threads() * CACHED // blocks[0].expand.out_features
        parts = torch.split(tokens, together if tokens.device.type == "cpu" else len(tokens))
        steps = [(block, block.attention()) for block in blocks]
        if torch.is_grad_enabled():
            return torch.cat([reduce(_apply, steps, part) for part in parts]).view(features.shape)
        for part in parts:
            part.copy_(reduce(_apply, steps, part))
        return tokens.view(features.shape)


def _channel_major(features: Tensor) -> Tensor:
    """Return contiguous (B, C, H, W) memory from any layout."""
    if features.is_contiguous():
        return features
    # One transposed matrix per image is four times as fast as `contiguous`.
    images = [image.flatten(1).contiguous()[None] for image in features]
    return images[0] if len(images) == 1 else torch.cat(images)


def _apply(tokens: Tensor, step: tuple[TokenBlock, tuple[Tensor, Tensor]]) -> Tensor:
    block, attention = step
    return block(tokens, attention)  # type: ignore[no-any-return]


def token_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Give the authors' block tensors our names; keep only the value third of each `qkv`."""
    names = {"attn.proj": "project", "mlp.fc1": "expand", "mlp.fc2": "reduce", "attn.qkv": "value"}
    renamed = {}
    for key, tensor in state.items():
        if ".attn.relative_position_" in key:
            continue
        if ".attn.qkv." in key:
            tensor = tensor[2 * len(tensor) // 3 :]
        for theirs, ours in names.items():
            key = key.replace(f".{theirs}.", f".{ours}.")
        renamed[key] = tensor
    return renamed
