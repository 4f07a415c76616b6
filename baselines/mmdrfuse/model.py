"""MMDRFuse (Deng et al., ACM Multimedia 2024): the distilled network of 113 parameters."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.blocks.renaming import renamed

CHANNELS = 4
NAMES = {"conv1.1.": "stem.", "conv2.1.": "head."}


class MMDRFuse(nn.Module):
    """The student network: two convolutions whose borders are reflected."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2, CHANNELS, 3, padding=1, padding_mode="reflect")
        self.head = nn.Conv2d(CHANNELS, 1, 3, padding=1, padding_mode="reflect")

    def forward(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """(B, 1, H, W) pairs in [0, 1], H and W ≥ 2 → (B, 1, H, W) in (−1, 1)."""
        features = F.relu_(self.stem(torch.cat([infrared, visible], dim=1)))
        return self.head(features).tanh_()  # type: ignore[no-any-return]

    def fuse(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """Fuse float32 (B, 1, H, W) pairs; unclamped, see `harness.methods.contract.Method`."""
        return self(infrared, visible)  # type: ignore[no-any-return]

    def publish(self, infrared: Tensor, visible: Tensor, rgb: Tensor | None) -> Tensor:
        """Stretch from minimum to maximum by one factor, as SciPy 1.2 does, and round."""
        fused = self(infrared, visible)[0, 0]
        low, high = fused.aminmax()
        # A number divided by a tensor is its product with the reciprocal, which rounds twice.
        factor = fused.new_tensor(255) / (high - low if high > low else 1)
        return ((fused - low) * factor).clamp(0, 255).add(0.5).to(torch.uint8)  # type: ignore[no-any-return]

    @staticmethod
    def official_state(state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Convert the authors' state dict into ours."""
        return renamed(state, NAMES)
