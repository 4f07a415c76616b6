"""DATFuse (Tang et al., IEEE TCSVT 33, 2023): dual attention around two token blocks."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.blocks.renaming import renamed
from harness.blocks.transformer import Tokens, token_names

CHANNELS, BLOCKS = 16, 2
NAMES = {
    "convolutional.conv.": "stem.0.",
    "convolutional.bn.": "stem.1.",
    "fem.": "residual.",
    "cam.fc.": "channel_gate.",
    "sam.body.": "pixel_gate.",
    "basicLayer.blocks.": "tokens.blocks.",
    "convolutional_out.conv.": "head.",
}
UNUSED = ("patch_embed.",)


class Residual(nn.Module):
    """One 3×3 convolution with one normalisation, applied twice with a ReLU between."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, padding_mode="replicate")
        self.bn = nn.BatchNorm2d(CHANNELS)

    def forward(self, x: Tensor) -> Tensor:
        """(B, CHANNELS, H, W) → the same shape."""
        hidden = F.relu_(self.bn(self.conv(x)))
        return self.bn(self.conv(hidden))  # type: ignore[no-any-return]


class DATFuse(nn.Module):
    """The network; its two halves share the residual block and both gates."""

    def __init__(self) -> None:
        super().__init__()
        hidden = CHANNELS // 4
        self.stem = nn.Sequential(
            nn.Conv2d(2, CHANNELS, 5, padding=2, padding_mode="replicate"),
            nn.BatchNorm2d(CHANNELS), nn.ReLU(),
        )  # fmt: skip
        self.residual = Residual()
        self.channel_gate = nn.Sequential(
            nn.Conv2d(CHANNELS, hidden, 1), nn.ReLU(), nn.Conv2d(hidden, CHANNELS, 1)
        )
        self.pixel_gate = nn.Sequential(
            nn.Conv2d(CHANNELS, hidden, 3, padding=1), nn.BatchNorm2d(hidden), nn.ReLU(),
            nn.Conv2d(hidden, 1, 3, padding=1), nn.BatchNorm2d(1),
        )  # fmt: skip
        self.tokens = Tokens(CHANNELS, BLOCKS)
        self.head = nn.Conv2d(CHANNELS, 1, 1)

    def forward(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """(B, 1, H, W) pairs in [0, 1], any size → (B, 1, H, W) in (−1, 1)."""
        features = self.stem(torch.cat([infrared, visible], dim=1))
        first = F.relu_(features + self._gated(self.residual(features)))
        second = self.residual(self.tokens(first))
        return torch.tanh(self.head(second + self._gated(second)))

    def _gated(self, x: Tensor) -> Tensor:
        """Return x times the sum of the gate of its channel and the gate of its pixel."""
        by_channel = self.channel_gate(x.mean((2, 3), keepdim=True)).sigmoid()
        return x * (self.pixel_gate(x).sigmoid() + by_channel)  # type: ignore[no-any-return]

    def fuse(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """Fuse float32 (B, 1, H, W) pairs; unclamped, see `harness.methods.contract.Method`."""
        return self(infrared, visible)  # type: ignore[no-any-return]

    @staticmethod
    def official_state(state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Convert the authors' state dict into ours; tensors without effect are left out."""
        return token_names(renamed(state, NAMES, unused=UNUSED))
