"""FreeFusion (Zhao et al., IEEE TPAMI 47, 2025): the part of its network that fuses."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.freefusion.attention import Interaction, Query
from harness.blocks.layers import channels_last, joint_conv
from harness.blocks.renaming import renamed

WIDTHS, POOLED = (32, 64, 128), (32, 16, 8)
SCALES = range(len(WIDTHS))
STEPS = (0, 1)
NAMES = {
    "encoder_1.": "infrared.",
    "encoder_2.": "visible.",
    **{
        f"decoder.Skips.{i}.conv.{j}.main.0.": f"decoder.steps.{1 - i}.join.{layer}."
        for i in STEPS
        for j, layer in enumerate(("pointwise", "conv"))
    },
    **{f"decoder.Convs.{i}.main.0.": f"decoder.steps.{i}.merge." for i in STEPS},
    **{f"decoder.Decoder.{i}.": f"decoder.steps.{i}.residual." for i in STEPS},
    "decoder.Decoder.2.": "decoder.residual.",
    **{f"decoder.feat_extract.{i}.main.0.": f"decoder.steps.{i}.narrow." for i in STEPS},
    "decoder.feat_extract.2.main.0.": "decoder.head.",
    "decoder.up32.up.1.": "decoder.steps.0.pointwise.",
    "decoder.up21.up.1.": "decoder.steps.1.pointwise.",
    **{
        f"{theirs}_{i + 1}.": f"scales.{i}.{ours}."
        for i in SCALES
        for theirs, ours in (("ffb", "merge"), ("ctf", "interact"), ("ctq_fus", "query"))
    },
    **{f"sfb.body_{i + 1}.main.": f"scales.{i}.semantics." for i in SCALES},
}
LAYERS = {
    ".feat_extract.": ".widen.",
    ".Encoder.": ".residuals.",
    ".down12.down.1.": ".shrinks.0.",
    ".down23.down.1.": ".shrinks.1.",
    ".layers.0.main.0.": ".0.",
    ".layers.0.main.1.": ".2.",
    **{f".conv_1_{j + 1}.{i}.main.0.": f".chains.{j}.{2 * i}." for j in range(2) for i in range(3)},
    **{f".channel_weights_{j + 1}.": f".chains.{j}.6." for j in range(2)},
    ".conv_2.0.": ".join.",
    ".main.0.": ".",
}
UNUSED = (
    *("seghead.", "decoder.classifier.", "fdb_", "ctq_seg_"),
    *(f"ctf_{i + 1}.{part}." for i in SCALES for part in ("ln_input", "mlp2")),
    *(f"ctq_fus_{i + 1}.{part}" for i in SCALES for part in ("bn", "ln_input_")),
)


class Encoder(nn.Module):
    """Features of one modality on three scales."""

    def __init__(self) -> None:
        super().__init__()
        self.widen = nn.ModuleList(_conv(a, b) for a, b in zip((1, *WIDTHS), WIDTHS, strict=False))
        self.residuals = nn.ModuleList(_residual(width) for width in WIDTHS)
        self.shrinks = nn.ModuleList(nn.Conv2d(c, c, 1, bias=False) for c in WIDTHS[1:])

    def forward(self, x: Tensor) -> list[Tensor]:
        """(B, 1, H, W) → (B, 32, H, W), (B, 64, H/2, W/2), (B, 128, H/4, W/4)."""
        scales: list[Tensor] = []
        for widen, residual in zip(self.widen, self.residuals, strict=True):
            x = F.relu_(widen(x))
            x = x + residual(x)
            if scales:
                x = self.shrinks[len(scales) - 1](F.avg_pool2d(x, 2))
            scales.append(x)
        return scales


class Merge(nn.Module):
    """Both modalities of one scale, each weighted by a map computed from both."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.chains = nn.ModuleList(
            nn.Sequential(
                _conv(2 * width, 2 * width), nn.ReLU(inplace=True),
                _conv(2 * width, width), nn.ReLU(inplace=True),
                _conv(width, width), nn.ReLU(inplace=True),
                nn.Conv2d(width, width, 1),
            )
            for _ in range(2)
        )  # fmt: skip
        self.join = _conv(2 * width, width)

    def forward(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """(B, width, h, w) each → the same shape."""
        pair = torch.cat([infrared, visible], dim=1)
        weights = [chain(pair) for chain in self.chains]
        return F.relu_(joint_conv(self.join, [infrared * weights[0], visible * weights[1]]))


class Scale(nn.Module):
    """Fusion on one scale, refined by attention among semantic features of reduced size."""

    def __init__(self, width: int, pooled: int) -> None:
        super().__init__()
        self.merge = Merge(width)
        self.semantics = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, groups=width), nn.Conv2d(width, width, 1)
        )
        self.interact, self.query = Interaction(width, pooled), Query(width)

    def forward(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """(B, width, h, w) each → the same shape."""
        fused = self.merge(infrared, visible)
        refined = self.query(self.interact(fused, fused + self.semantics(fused)))
        return fused + F.interpolate(refined, fused.shape[-2:], mode="bilinear")  # type: ignore[no-any-return]


class Join(nn.Module):
    """All scales at the size of one of them; resizes take the nearest pixel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.pointwise, self.conv = nn.Conv2d(sum(WIDTHS), width, 1), _conv(width, width)

    def forward(self, scales: list[Tensor], size: torch.Size) -> Tensor:
        """Features as `Encoder` returns them → (B, width, *size)."""
        assert self.pointwise.bias is not None
        total = self.pointwise.bias[:, None, None]
        weights = torch.split(self.pointwise.weight, list(WIDTHS), dim=1)
        for x, weight in zip(scales, weights, strict=True):
            small = F.interpolate(x, size) if x.shape[-1] > size[-1] else x
            # A pointwise layer and a resize commute, and the layer is cheaper on the small side.
            total = total + F.interpolate(F.conv2d(small, weight), size)
        return self.conv(F.relu_(total))  # type: ignore[no-any-return]


class Raise(nn.Module):
    """One step of the decoder, to twice the size."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.residual = _residual(inputs)
        self.narrow = nn.ConvTranspose2d(inputs, width, 3, padding=1)
        self.pointwise = nn.Conv2d(width, width, 1, bias=False)
        self.join, self.merge = Join(width), nn.Conv2d(2 * width, width, 1)

    def forward(self, x: Tensor, scales: list[Tensor]) -> Tensor:
        """(B, inputs, h, w) and the scales of an `Encoder` → (B, width, 2h, 2w)."""
        x = F.relu_(self.narrow(x + self.residual(x)))
        size = torch.Size(2 * side for side in x.shape[-2:])
        raised = F.interpolate(self.pointwise(x), size, mode="bilinear")
        return F.relu_(joint_conv(self.merge, [raised, self.join(scales, size)]))


class Decoder(nn.Module):
    """From three scales back to one image."""

    def __init__(self) -> None:
        super().__init__()
        small, middle, large = WIDTHS
        self.steps = nn.ModuleList([Raise(large, middle), Raise(middle, small)])
        self.residual, self.head = _residual(small), _conv(small, 1)

    def forward(self, scales: list[Tensor]) -> Tensor:
        """Features as `Encoder` returns them → (B, 1, H, W)."""
        x = scales[-1]
        for step in self.steps:
            x = step(x, scales)
        return self.head(x + self.residual(x))  # type: ignore[no-any-return]


class FreeFusion(nn.Module):
    """The network without the parts that only reconstruct sources or segment."""

    def __init__(self) -> None:
        super().__init__()
        self.infrared, self.visible = Encoder(), Encoder()
        self.scales = nn.ModuleList(Scale(*sizes) for sizes in zip(WIDTHS, POOLED, strict=True))
        self.decoder = Decoder()

    def forward(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """(B, 1, H, W) pairs in [0, 1], H and W multiples of 4 → (B, 1, H, W), not bounded."""
        features = [
            encoder(channels_last(image))
            for encoder, image in ((self.infrared, infrared), (self.visible, visible))
        ]
        fused = [scale(*pair) for scale, *pair in zip(self.scales, *features, strict=True)]
        return self.decoder(fused)  # type: ignore[no-any-return]

    def fuse(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """Fuse float32 (B, 1, H, W) pairs; unclamped, see `harness.methods.contract.Method`."""
        return self(infrared, visible).contiguous()  # type: ignore[no-any-return]

    @staticmethod
    def official_state(state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Convert the authors' state dict into ours; what only their training uses is left out."""
        bare = {key.removeprefix("module."): tensor for key, tensor in state.items()}
        ours = {}
        for key, tensor in renamed(bare, NAMES, unused=UNUSED).items():
            for theirs, layer in LAYERS.items():
                key = key.replace(theirs, layer)
            ours[key] = tensor
        return ours


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


def _residual(width: int) -> nn.Sequential:
    return nn.Sequential(_conv(width, width), nn.ReLU(inplace=True), _conv(width, width))
