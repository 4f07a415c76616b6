"""YDTR (Tang, He, Liu, IEEE Trans. Multimedia 25, 2023): a Y-shaped network of shared blocks."""

import torch
from torch import Tensor, nn

from baselines.ydtr.losses import spatial_frequency_loss
from harness.blocks.layers import ConvNorm, channels_last
from harness.blocks.renaming import renamed
from harness.blocks.ssim import SourceMoments, ssim_many
from harness.blocks.transformer import Tokens, token_names
from harness.methods.contract import Batch

CHANNELS, BLOCKS = 64, 2
NAMES = {
    "convInput.": "stem.",
    "DDF.channel_branch.fc.": "gates.channel.",
    "DDF.spatial_branch.body.": "gates.spatial.",
    "basicLayer.blocks.": "tokens.blocks.",
    "convolutional_out.conv.": "head.",
}
UNUSED = ("conv64.", "conv.", "patch_embed.")


class Gates(nn.Module):
    """Dynamic detail features: each value times the sum of its channel's and pixel's gates."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.channel = nn.Sequential(
            nn.Conv2d(channels, hidden, 1), nn.ReLU(), nn.Conv2d(hidden, channels, 1)
        )
        self.spatial = nn.Sequential(
            nn.Conv2d(channels, hidden, 3, padding=1), nn.Conv2d(hidden, 1, 3, padding=1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) → (B, C, H, W); neither gate has a final activation."""
        by_channel = self.channel(x.mean((2, 3), keepdim=True))
        return torch.addcmul(x * by_channel, x, self.spatial(x))


class YDTR(nn.Module):
    """The network; both sources pass through the same weights, so they may be swapped."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = ConvNorm(1, CHANNELS)
        self.gates = Gates(CHANNELS, CHANNELS // 8)
        self.tokens = Tokens(CHANNELS, BLOCKS)
        self.head = nn.Conv2d(CHANNELS, 1, 1)

    def fuse(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """Fuse float32 (B, 1, H, W) pairs in [0, 1] of any size; values in (−1, 1)."""
        joined = self._branch(infrared) + self._branch(visible)
        return torch.tanh(self.head(self.tokens(self.gates(joined))))

    def _branch(self, image: Tensor) -> Tensor:
        return self.tokens(self.gates(self.stem(channels_last(image))))  # type: ignore[no-any-return]

    def training_loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return SSIM and spatial-frequency terms with the authors' weights."""
        fused = self.fuse(batch.infrared, batch.visible)
        sources = SourceMoments(batch.infrared), SourceMoments(batch.visible)
        infrared, visible = ssim_many(fused, sources)
        return {
            "ssim_infrared": 1 - infrared,
            "ssim_visible": 0.05 * (1 - visible),
            "detail_infrared": 0.0006 * spatial_frequency_loss(fused, batch.infrared),
            "detail_visible": 0.00025 * spatial_frequency_loss(fused, batch.visible),
        }

    @staticmethod
    def official_state(state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Convert the authors' state dict into ours; tensors without effect are left out."""
        return token_names(renamed(state, NAMES, unused=UNUSED))
