"""The branch of the high-frequency layers, with spatial attention at full resolution."""

import torch
from torch import Tensor, nn

from baselines.limfusion.layers import Conv, emphasised


class SpatialAttention(nn.Module):
    """One weight per pixel, in (0, 1), from the mean over the channels."""

    def __init__(self, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 1, kernel, padding=kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) → (B, 1, H, W)."""
        return torch.sigmoid(self.conv(x.mean(1, keepdim=True)))


class Encoder(nn.Module):
    """The two convolutions and two attention maps of one modality."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = Conv(1, 16), Conv(32, 32)
        self.attend_first, self.attend_second = SpatialAttention(3), SpatialAttention(7)


class HighBranch(nn.Module):
    """Fuses the two high-frequency layers."""

    def __init__(self) -> None:
        super().__init__()
        self.infrared, self.visible = Encoder(), Encoder()
        self.decoder = nn.Sequential(Conv(160, 32), Conv(32, 32), Conv(32, 1))

    def forward(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """(B, 1, H, W) each → (B, 1, H, W)."""
        ir, vi = self.infrared, self.visible
        r1, v1 = ir.first(infrared), vi.first(visible)
        weight_r, weight_v = ir.attend_first(r1), vi.attend_first(v1)
        r2 = ir.second(torch.cat([r1, emphasised(r1, weight_r, weight_v)], dim=1))
        v2 = vi.second(torch.cat([v1, emphasised(v1, weight_v, weight_r)], dim=1))
        weight_r, weight_v = ir.attend_second(r2), vi.attend_second(v2)
        r3, v3 = emphasised(r2, weight_r, weight_v), emphasised(v2, weight_v, weight_r)
        return self.decoder(torch.cat([r3, r2, r1, v3, v2, v1], dim=1))  # type: ignore[no-any-return]
