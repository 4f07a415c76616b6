"""ITFuse (Tang, He, Liu, Pattern Recognition 156, 2024): two paths that exchange their keys."""

import torch
from torch import Tensor, nn

from harness.blocks.layers import ConvNorm, PointNorm, channels_last
from harness.blocks.renaming import renamed
from harness.blocks.ssim import SourceMoments, ssim_many
from harness.blocks.transformer import Tokens, token_names
from harness.methods.contract import Batch

CHANNELS, BLOCKS, STAGES = 16, 3, 3
NAMES = {
    "conv16.": "stem.",
    "conv2_16.": "joint_stem.",
    "conv16_16.": "conv.",
    "CoordAtt.conv1.": "attention.squeeze.0.",
    "CoordAtt.bn1.": "attention.squeeze.1.",
    "CoordAtt.conv_h.": "attention.by_row.",
    "CoordAtt.conv_w.": "attention.by_column.",
    **{
        f"{theirs}.{part}.": f"{ours}.{place}."
        for theirs, ours in (("TS_lv1", "interact"), ("equalAtt", "unite"))
        for part, place in (
            ("key_embed", "key"),
            ("embed.0", "weigh.0.conv"),
            ("embed.1", "weigh.0.bn"),
            ("embed.3", "weigh.2.conv"),
            ("embed.4", "weigh.2.bn"),
            ("conv1x1.0", "value.conv"),
            ("conv1x1.1", "value.bn"),
        )
    },
    "basicLayer.blocks.": "tokens.blocks.",
    "convolutional_out.conv.": "head.",
}
UNUSED = (
    *("norm.", "conv1_32.", "conv32.", "conv16_32.", "conv2_32.", "layer2.", "mlp."),
    *("patch_embed.", "TS_lv1.bn.", "TS_lv1.se.", "equalAtt.bn.", "equalAtt.se."),
)


class CoordinateAttention(nn.Module):
    """One gate per row and one per column, from the means along the other direction."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.squeeze = nn.Sequential(
            nn.Conv2d(channels, hidden, 1), nn.BatchNorm2d(hidden), nn.Hardswish()
        )
        self.by_row = nn.Conv2d(hidden, channels, 1)
        self.by_column = nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) → (B, C, H, W)."""
        height, width = x.shape[-2:]
        rows, columns = self.squeeze(_means(x)).split([height, width], dim=2)
        by_row, by_column = self.by_row(rows).sigmoid(), self.by_column(columns).sigmoid().mT
        return x * channels_last(by_column) * channels_last(by_row)


def _means(x: Tensor) -> Tensor:
    """Return the mean of each row, then of each column: (B, C, H, W) → (B, C, H + W, 1)."""
    height, width = x.shape[-2:]
    pixels = x.movedim(1, -1)
    # In this memory layout, matrix products are eight times as fast as `mean`.
    rows = x.new_full((width,), 1 / width) @ pixels
    columns = (x.new_full((height,), 1 / height) @ pixels.flatten(2)).view(len(x), width, -1)
    return torch.cat([rows, columns], dim=1).movedim(-1, 1).unsqueeze(-1)


class PixelAttention(nn.Module):
    """Weights the value with one weight per pixel, computed from the sum of query and key."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.key = ConvNorm(channels, channels)
        self.weigh = nn.Sequential(
            PointNorm(channels, 2, bias=False), nn.ReLU(), PointNorm(2, 1, bias=True)
        )
        self.value = PointNorm(channels, channels, bias=False)

    def interact(self, value: Tensor, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """Let each path query with its own features and use those of the other path as key.

        (B, C, H, W) each → the new features of the two paths, (B, C, H, W) each.
        """
        value = self.value(value)
        key_first, key_second = self.key(first), self.key(second)
        return (
            torch.addcmul(key_second, self.weigh(first + key_second), value),
            torch.addcmul(key_first, self.weigh(second + key_first), value),
        )

    def unite(self, value: Tensor, key: Tensor, query: Tensor) -> Tensor:
        """Weight the value by the sum of both embedded paths; (B, C, H, W) each."""
        return self.weigh(self.key(query) + self.key(key)) * self.value(value)  # type: ignore[no-any-return]


class ITFuse(nn.Module):
    """The network; the order of infrared and visible matters."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = ConvNorm(1, CHANNELS)
        self.joint_stem = ConvNorm(2, CHANNELS)
        # All stages and paths share one set of weights.
        self.conv = ConvNorm(CHANNELS, CHANNELS)
        self.attention = CoordinateAttention(CHANNELS, CHANNELS // 4)
        self.interact = PixelAttention(CHANNELS)
        self.unite = PixelAttention(CHANNELS)
        self.tokens = Tokens(CHANNELS, BLOCKS)
        self.head = nn.Conv2d(CHANNELS, 1, 1)

    def fuse(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """Fuse float32 (B, 1, H, W) pairs in [0, 1] of any size; values in (0, 1)."""
        infrared, visible = channels_last(infrared), channels_last(visible)
        first, second = self.stem(infrared), self.stem(visible)
        joint = self.joint_stem(torch.cat([infrared, visible], dim=1))
        for stage in range(STAGES):
            if stage > 0:
                first, second, joint = self.conv(first), self.conv(second), self.conv(joint)
            joint = self._attend(self.conv(joint))
            first, second = self.interact.interact(
                joint, self._residual(first), self._residual(second)
            )
        united = self._attend(self.unite.unite(joint, key=first, query=second))
        tokens = self.tokens(united).contiguous(memory_format=torch.channels_last)
        return torch.sigmoid(self.head(self.conv(tokens))).contiguous()

    def _residual(self, x: Tensor) -> Tensor:
        return x + self.conv(self.conv(x))  # type: ignore[no-any-return]

    def _attend(self, x: Tensor) -> Tensor:
        return x + self.attention(self.attention(x))  # type: ignore[no-any-return]

    def training_loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return the Charbonnier distance to each source, and four times 1 − SSIM."""
        fused = self.fuse(batch.infrared, batch.visible)
        images = {"infrared": batch.infrared, "visible": batch.visible}
        similar = ssim_many(fused, tuple(SourceMoments(image) for image in images.values()))
        terms = {}
        for (name, image), value in zip(images.items(), similar, strict=True):
            terms[f"intensity_{name}"] = torch.sqrt((fused - image) ** 2 + 1e-6).mean()
            terms[f"ssim_{name}"] = 4 * (1 - value)
        return terms

    @staticmethod
    def official_state(state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Convert the authors' state dict into ours; tensors without effect are left out."""
        return token_names(renamed(state, NAMES, unused=UNUSED))
