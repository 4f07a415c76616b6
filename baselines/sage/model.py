"""SAGE (Wu et al., CVPR 2025): the small network that is left of it when images are fused."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.blocks.renaming import renamed
from harness.blocks.ycrcb import to_ycrcb

CHANNELS = 32
NAMES = {
    **{f"module{i + 1}.": f"blocks.{i}." for i in range(5)},
    **{f"adjust_channels{i}.": f"points.{i - 4}." for i in (4, 5)},
    "final_decoder.0.": "head.",
}


class SAGE(nn.Module):
    """A U-shaped network on three scales; the other parts of SAGE serve training only."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(_block(CHANNELS if i else 2) for i in range(5))
        self.points = nn.ModuleList(nn.Sequential(*_layer(2 * CHANNELS, 1)) for _ in range(2))
        self.head = nn.Conv2d(CHANNELS, 1, 3, padding=1)

    def forward(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """(B, 1, H, W) pairs in [0, 1], H and W ≥ 4 → (B, 1, H, W) in (−1, 1)."""
        full = self.blocks[0](torch.cat([visible, infrared], dim=1))
        half = self.blocks[1](F.max_pool2d(full, 2))
        features = self.blocks[2](F.max_pool2d(half, 2))
        for skip, point, block in zip((half, full), self.points, self.blocks[3:], strict=True):
            # The size of an odd scale is not twice that of the next.
            raised = F.interpolate(features, skip.shape[-2:], mode="bilinear")
            features = block(point(torch.cat([raised, skip], dim=1)))
        return torch.tanh(self.head(features))

    def fuse(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """Fuse float32 (B, 1, H, W) pairs; unclamped, see `harness.methods.contract.Method`."""
        return self(infrared, visible)  # type: ignore[no-any-return]

    def publish(self, infrared: Tensor, visible: Tensor, rgb: Tensor | None) -> Tensor:
        """Put the colours of OpenCV's 8-bit YCrCb back, then clamp and round."""
        if rgb is None:
            image = self(infrared, visible)[0, 0]
        else:
            y, cr, cb = (to_ycrcb(rgb) / 255).chunk(3, dim=1)
            y, cr, cb = self(infrared, y), cr - 0.5, cb - 0.5
            image = torch.cat([y + 1.403 * cr, y - 0.714 * cr - 0.344 * cb, y + 1.773 * cb])[:, 0]
        return (image * 255 + 0.5).clamp(0, 255).to(torch.uint8)  # type: ignore[no-any-return]

    @staticmethod
    def official_state(state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Convert the authors' state dict into ours."""
        return renamed(state, NAMES)


def _layer(inputs: int, kernel: int) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, CHANNELS, kernel, padding=kernel // 2)
    return [convolution, nn.BatchNorm2d(CHANNELS), nn.LeakyReLU(0.01, inplace=True)]


def _block(inputs: int) -> nn.Sequential:
    return nn.Sequential(*_layer(inputs, 3), *_layer(CHANNELS, 3), *_layer(CHANNELS, 3))
