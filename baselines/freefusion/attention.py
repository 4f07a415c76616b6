"""Attention among the pixels of feature maps that are pooled to a fixed size."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

HEADS = 8


class Interaction(nn.Module):
    """Self-attention of the pooled fused and semantic features, without a residual.

    Only the fused half of the result is computed: the authors use the other half to segment.
    """

    def __init__(self, width: int, pooled: int) -> None:
        super().__init__()
        self.pooled = pooled
        self.bn1, self.bn2 = nn.BatchNorm2d(width), nn.BatchNorm2d(width)
        self.sa = Projections(width)
        self.ln_output = nn.LayerNorm(width)
        self.mlp1 = nn.Sequential(nn.Conv2d(width, width, 1), nn.ReLU(), nn.Conv2d(width, width, 1))

    def forward(self, fused: Tensor, semantic: Tensor) -> Tensor:
        """(B, width, h, w) each → (B, width, pooled, pooled)."""
        own = _tokens(self.bn1(F.adaptive_avg_pool2d(fused, self.pooled)))
        other = _tokens(self.bn2(F.adaptive_avg_pool2d(semantic, self.pooled)))
        everything = torch.cat([own, other], dim=1)
        mixed = self.sa.attend(
            self.sa.que_proj(own), self.sa.key_proj(everything), self.sa.val_proj(everything)
        )
        return self.mlp1(_image(self.ln_output(mixed), self.pooled))  # type: ignore[no-any-return]


class Query(nn.Module):
    """Attention of pooled features in unusual roles: keys ask, values answer, queries are mixed."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.cs = Projections(width)
        self.ln_output = nn.LayerNorm(width)

    def forward(self, pooled: Tensor) -> Tensor:
        """(B, width, n, n) → the same shape."""
        x, cs = _tokens(pooled), self.cs
        mixed = cs.attend(cs.key_proj(x), cs.val_proj(x), cs.que_proj(x))
        return _image(self.ln_output(mixed), pooled.shape[-1])


class Projections(nn.Module):
    """The four linear maps of an attention with several heads."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.que_proj, self.key_proj = nn.Linear(width, width), nn.Linear(width, width)
        self.val_proj, self.out_proj = nn.Linear(width, width), nn.Linear(width, width)

    def attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Return softmax(query keyᵀ / √d) value, projected; (B, tokens, width) each."""
        mixed = F.scaled_dot_product_attention(_heads(query), _heads(key), _heads(value))
        return self.out_proj(mixed.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


def _heads(tokens: Tensor) -> Tensor:
    """(B, tokens, width) → (B, HEADS, tokens, width / HEADS)."""
    return tokens.reshape(*tokens.shape[:2], HEADS, -1).transpose(1, 2)


def _tokens(image: Tensor) -> Tensor:
    """(B, C, n, n) → (B, n², C)."""
    return image.flatten(2).mT


def _image(tokens: Tensor, side: int) -> Tensor:
    """(B, side², C) → (B, C, side, side)."""
    return tokens.mT.reshape(len(tokens), -1, side, side)
