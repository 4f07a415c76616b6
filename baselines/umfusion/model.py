"""UMFusion, the fusion network of UMF-CMGR (Wang et al., IJCAI 2022), for registered pairs."""

from functools import partial
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.umfusion.losses import laplacian, multiscale_ssim
from harness.blocks.layers import channels_last, joint_conv
from harness.blocks.renaming import renamed
from harness.blocks.saliency import saliency_weights
from harness.methods.contract import Batch

CHANNELS, DENSE_LAYERS = 64, 3
NAMES = {
    "conv1_1.0.": "infrared_stem.",
    "conv2_1.0.": "visible_stem.",
    "ir_path.0.conv_1x1.": "infrared_path.merge.",
    "vi_path.0.conv_1x1.": "visible_path.merge.",
    **{
        f"{theirs}.0.dense_layers.{i}.conv.": f"{ours}.layers.{i}."
        for theirs, ours in (("ir_path", "infrared_path"), ("vi_path", "visible_path"))
        for i in range(DENSE_LAYERS)
    },
    "fuse.query_conv.": "exchange.query.",
    "fuse.key_conv.": "exchange.key.",
    "fuse.gamma1.": "exchange.infrared_gate.",
    "fuse.gamma2.": "exchange.visible_gate.",
    "fuse_res.": "merge.",
    "out_conv.": "head.",
}


conv3 = partial(nn.Conv2d, kernel_size=3, padding=1)


class DenseBlock(nn.Module):
    """Three convolutions of all features before them, merged and added to the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            conv3(channels * (i + 1), channels, bias=False) for i in range(DENSE_LAYERS)
        )
        self.merge = nn.Conv2d(channels * (DENSE_LAYERS + 1), channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) → (B, C, H, W)."""
        features = [x]
        for layer in cast("list[nn.Conv2d]", list(self.layers)):
            features.append(F.relu_(joint_conv(layer, features)))
        return joint_conv(self.merge, features) + x


class Exchange(nn.Module):
    """One attention map of both modalities, and two gates per pixel that mix it in."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query, self.key = conv3(channels, channels), conv3(channels, channels)
        self.infrared_gate, self.visible_gate = conv3(2 * channels, 2), conv3(2 * channels, 2)

    def forward(self, infrared: Tensor, visible: Tensor) -> list[Tensor]:
        """(B, C, H, W) features of both → the same, mixed."""
        attention = torch.sigmoid(self.query(infrared) * self.key(visible))
        return [
            _gated(infrared, infrared * attention, self.infrared_gate),
            _gated(visible, visible * attention, self.visible_gate),
        ]


def _gated(plain: Tensor, attended: Tensor, gate: nn.Conv2d) -> Tensor:
    gates = joint_conv(gate, [plain, attended])
    return torch.addcmul(plain * gates[:, :1], attended, gates[:, 1:])


class UMFusion(nn.Module):
    """The network; infrared and visible have separate weights."""

    def __init__(self) -> None:
        super().__init__()
        self.infrared_stem, self.visible_stem = conv3(1, CHANNELS), conv3(1, CHANNELS)
        self.infrared_path, self.visible_path = DenseBlock(CHANNELS), DenseBlock(CHANNELS)
        self.exchange = Exchange(CHANNELS)
        self.merge, self.head = conv3(2 * CHANNELS, CHANNELS), conv3(CHANNELS, 1)

    def fuse(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """Fuse float32 (B, 1, H, W) pairs in [0, 1] of any size; values in (−1, 1)."""
        infrared, visible = channels_last(infrared), channels_last(visible)
        from_infrared = self.infrared_path(F.leaky_relu(self.infrared_stem(infrared), 0.2))
        from_visible = self.visible_path(F.leaky_relu(self.visible_stem(visible), 0.2))
        merged = joint_conv(self.merge, self.exchange(from_infrared, from_visible))
        return torch.tanh(self.head(merged)).contiguous()

    def training_loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return terms of structure, intensity and edges against the saliency-weighted sources."""
        fused = self.fuse(batch.infrared, batch.visible)
        weights = saliency_weights(batch.infrared, batch.visible)
        target = weights[0] * batch.infrared + weights[1] * batch.visible
        edges = torch.maximum(laplacian(batch.infrared).abs(), laplacian(batch.visible).abs())
        return {
            "structure": 1 - multiscale_ssim(fused, target),
            "intensity": 20 * F.l1_loss(fused, target),
            "edges": 5 * F.l1_loss(laplacian(fused).abs(), edges),
        }

    @staticmethod
    def official_state(state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Convert the authors' state dict into ours."""
        return renamed(state, NAMES)
