"""The branch of the low-frequency layers, a U-Net weighted by the information maps."""

from itertools import pairwise, starmap

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.limfusion.layers import Conv, emphasised

CHANNELS = (16, 32, 64, 64)
MAP_WINDOW = 19


class ChannelAttention(nn.Module):
    """One weight per channel, in (0, 1), from its maximum and its mean."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze = nn.Sequential(
            nn.Conv2d(channels, channels // 4, 1, bias=False),
            nn.ReLU(),
            nn.Conv2d(channels // 4, channels, 1, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) → (B, C, 1, 1)."""
        largest, mean = x.amax((2, 3), keepdim=True), x.mean((2, 3), keepdim=True)
        return torch.sigmoid(self.squeeze(largest) + self.squeeze(mean))


def _levels(*channels: list[int]) -> nn.ModuleList:
    """Return one sequence of convolutions per level, given the channels between them."""
    return nn.ModuleList(nn.Sequential(*starmap(Conv, pairwise(level))) for level in channels)


class LowBranch(nn.Module):
    """Fuses the two low-frequency layers; both pass through the same encoder."""

    def __init__(self) -> None:
        super().__init__()
        c1, c2, c3, c4 = CHANNELS
        self.encoder = _levels([1, c1, c1], [c1, c2, c2], [c2, c3, c3], [c3, c4])
        self.attention = nn.ModuleList(ChannelAttention(c) for c in CHANNELS)
        self.up = nn.ModuleList(nn.ConvTranspose2d(c, c, 2, stride=2) for c in (c1, c2, c4))
        self.decoder = _levels([2 * c1, c1, c1, c1], [2 * c2, c2, c2, c1], [2 * c3, c3, c2])
        self.head = nn.Sequential(Conv(c1, c1), nn.Conv2d(c1, 1, 1), nn.Tanh())

    def forward(
        self, infrared: Tensor, visible: Tensor, infrared_map: Tensor, visible_map: Tensor
    ) -> Tensor:
        """(B, 1, H, W) each → (B, 1, H, W); H and W are multiples of 8, at least 16."""
        maps = zip(map_scales(infrared_map), map_scales(visible_map), strict=True)
        levels = []
        features = torch.cat([infrared, visible])
        for i, (stage, (ir, vi)) in enumerate(zip(self.encoder, maps, strict=True)):
            features = stage(F.max_pool2d(features, 2) if i > 0 else features)
            from_infrared, from_visible = features.chunk(2)
            levels.append(self._join(i, from_infrared, from_visible, ir, vi))
        x = levels.pop()
        for i in reversed(range(len(levels))):
            raised = F.leaky_relu(self.up[i](x), 0.01)
            x = self.decoder[i](torch.cat([raised, levels[i]], dim=1))
        return self.head(x)  # type: ignore[no-any-return]

    def _join(self, level: int, r: Tensor, v: Tensor, map_r: Tensor, map_v: Tensor) -> Tensor:
        weight_v = self.attention[level](v)
        raised_v = emphasised(v, weight_v, self.attention[level](r))
        # Infrared features are compared instead of infrared weights, and only at the finest
        # level with the visible weights, because the published code does so.
        raised_r = emphasised(r, r, weight_v if level == 0 else raised_v)
        return raised_v * map_v + raised_r * map_r


def map_scales(information: Tensor) -> list[Tensor]:
    """Apply a 19×19 mean twice (zeros outside count), then take maxima at scales 1, 2, 4, 8.

    (B, 1, H, W) → four maps, (B, 1, H/s, W/s).
    """
    half = MAP_WINDOW // 2
    for _ in range(2):
        rows = F.avg_pool2d(information, (MAP_WINDOW, 1), stride=1, padding=(half, 0))
        information = F.avg_pool2d(rows, (1, MAP_WINDOW), stride=1, padding=(0, half))
    scales = [information]
    for _ in CHANNELS[1:]:
        scales.append(F.max_pool2d(scales[-1], 2))
    return scales
