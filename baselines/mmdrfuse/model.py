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
        self.stem = nn.Conv2d(2, CHANNELS, 3)
        self.head = nn.Conv2d(CHANNELS, 1, 3)

    def forward(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """(B, 1, H, W) pairs in [0, 1], H and W ≥ 2 → (B, 1, H, W) in (−1, 1).

        The features are computed with room for their own border, and the border is then reflected
        in place. Padded copies would cost more than the convolutions save.

        Raises:
            ValueError: if a side has one pixel only, which has nothing to be reflected.
        """
        batch, _, height, width = infrared.shape
        if min(height, width) < 2:
            raise ValueError(f"found {height}×{width} pixels, expected sides of 2 or more")
        shape = batch, 2, height + 2, width + 2
        sources = torch.empty(
            shape, dtype=infrared.dtype, device=infrared.device, memory_format=torch.channels_last
        )
        sources[:, :1, 1:-1, 1:-1] = infrared
        sources[:, 1:, 1:-1, 1:-1] = visible
        stem, head = self.stem, self.head
        features = F.conv2d(reflected_(sources), stem.weight, stem.bias, padding=1)
        features = reflected_(F.relu_(features))
        return F.conv2d(features, head.weight, head.bias).tanh_()

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


def reflected_(images: Tensor) -> Tensor:
    """Overwrite the outermost pixels of (B, C, H + 2, W + 2) images by those two further inside."""
    images[..., 1:-1, 0], images[..., 1:-1, -1] = images[..., 1:-1, 2], images[..., 1:-1, -3]
    images[..., 0, :], images[..., -1, :] = images[..., 2, :], images[..., -3, :]
    return images
