"""The network of SegFANet, in the order of the paper's section 3.

Qiu, Zhao, Wang, "Self-supervised Segmentation Feature Alignment for Infrared and Visible
Image Fusion", Chinese Journal of Information Fusion 2(3), 2025, doi 10.62762/CJIF.2025.822280.
Equation numbers are those of the paper. docs/protocol.md, point 8, decides what the paper does
not state (widths, resampling, heads). In shapes, B is the batch, c_i = width · 2^(i−1) the
channels and h_i = H / 2^(i−1), w_i = W / 2^(i−1) the size of stage i = 1 … 3.
"""

from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.blocks.layers import BatchRenorm
from segfanet.config import STAGES, Config
from segfanet.initial import LARGE, fitted, looks_linear, normal

STRIDE = 2 ** (STAGES - 1)
"""Sides are padded to a multiple of this inside `SegFANet.forward`."""
NOISY = 32
"""Side of the images with which the control of noise starts, since noise differs by pixel."""
INPUT_GAIN = 4.0
IMAGE_GAIN = 0.0025


@dataclass(frozen=True)
class Output:
    """The results of one pass: the images, and the features of Figures 1, 8 and 9.

    fused: (B, 1, H, W), unbounded; after training in [0, 1] like the sources. logits:
    (B, classes, H, W), or None. reconstructed: one image per SINet with IRM,
    (B, 1, h_i, w_i), unbounded likewise. segmentation, aligned, fusion: f^S_i, f^R_i and
    f^F_i of every SINet, (B, c_i, h_i, w_i). attention: CAM's weights,
    (B, p_i², p_i²), rows are queries and sum to one.
    """

    fused: Tensor
    logits: Tensor | None
    reconstructed: list[Tensor]
    segmentation: list[Tensor]
    aligned: list[Tensor]
    fusion: list[Tensor]
    attention: list[Tensor]


def conv3(inputs: int, outputs: int, *, joined: int = 1, silent: int = 0) -> nn.Conv2d:
    """Return a 3×3 convolution of `joined` concatenated features (0: of images), size kept."""
    return looks_linear(nn.Conv2d(inputs, outputs, kernel_size=3, padding=1), joined, silent)


def conv1(
    inputs: int, outputs: int, *, joined: int = 1, silent: int = 0, bias: bool = True
) -> nn.Conv2d:
    """Return a 1×1 convolution of `joined` concatenated features."""
    return looks_linear(nn.Conv2d(inputs, outputs, kernel_size=1, bias=bias), joined, silent)


def resize(features: Tensor, size: tuple[int, int]) -> Tensor:
    """Resample bilinearly to (height, width)."""
    if features.shape[-2:] == size:
        return features
    return F.interpolate(features, size=size, mode="bilinear", align_corners=False)


def average_pool(features: Tensor, side: int) -> Tensor:
    """Pool adaptively to side × side tokens, AAP of Eqs. 6–8."""
    height, width = features.shape[-2:]
    if height % side or width % side:
        return F.adaptive_avg_pool2d(features, side)
    # The means are the same, but on a GPU only this form has a repeatable gradient.
    return F.avg_pool2d(features, (height // side, width // side))


def pad(images: Tensor) -> Tensor:
    """Repeat the lower and right border until both sides are multiples of `STRIDE`."""
    height, width = images.shape[-2:]
    return F.pad(images, (0, -width % STRIDE, 0, -height % STRIDE), mode="replicate")


class ImageHead(nn.Conv2d):
    """3×3 convolution to one channel, in the range of the inputs.

    If it is `scaled`, its weights are large and multiplied by a small factor. Therefore one step of
    the optimiser, which changes all weights alike, changes no pixel much. A plain one starts with
    the same images.
    """

    def __init__(self, channels: int, *, scaled: bool = True) -> None:
        super().__init__(channels, 1, kernel_size=3, padding=1)
        self.scaled = scaled

    def start_with(self, images: Tensor, features: Tensor) -> None:
        """Set the weights that turn features (N, c, 1, 1) of pixels into their values (N,)."""
        fitted(self, features, (images - 0.5) / IMAGE_GAIN if self.scaled else images)

    def forward(self, x: Tensor) -> Tensor:
        """(B, c, h, w) → (B, 1, h, w), unbounded."""
        # The sum needs the weights' precision: near ½, bfloat16 has steps of half a grey level.
        image = super().forward(x).to(self.weight.dtype)
        return 0.5 + IMAGE_GAIN * image if self.scaled else image


class ResidualBlock(nn.Module):
    """x + conv3(ReLU(conv3(x))): the block of each encoder and decoder stage."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = conv3(channels, channels), conv3(channels, channels)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(B, c, h, w) → (B, c, h, w)."""
        change: Tensor = self.second(F.relu(self.first(x)))
        return x + change


class EncoderStage(nn.Module):
    """One stage E_i of an encoder (Eqs. 1, 2): convolve, refine, and halve the size if i > 1."""

    def __init__(self, inputs: int, outputs: int, *, halve: bool) -> None:
        super().__init__()
        self.halve = halve
        # Channels double from stage to stage, and the first stage reads the images.
        self.expand = conv3(inputs, outputs, joined=inputs // (outputs // 2) if halve else 0)
        self.refine = ResidualBlock(outputs)
        self.mix = conv1(outputs, outputs, bias=False) if halve else None

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, h, w) → (B, outputs, h/2, w/2), or the same size at the first stage."""
        features: Tensor = self.refine(F.relu(self.expand(x)))
        if self.mix is None:
            return features
        height, width = features.shape[-2] // 2, features.shape[-1] // 2
        return self.mix(resize(features, (height, width)))  # type: ignore[no-any-return]


class IRM(nn.Module):
    """Image reconstruction module R_i (Eq. 3): aligns f^S_i by reconstructing the input."""

    def __init__(self, channels: int, *, scaled: bool = True) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *(layer for _ in range(4) for layer in (conv3(channels, channels), nn.ReLU()))
        )
        self.head = ImageHead(channels, scaled=scaled)

    def forward(self, f_s: Tensor) -> tuple[Tensor, Tensor]:
        """f^S_i (B, c, h, w) → f^R_i (B, c, h, w) and the image I_res,i (B, 1, h, w)."""
        f_r = self.body(f_s)
        return f_r, self.head(f_r)


class CAM(nn.Module):
    """Cross attention module (Eqs. 4, 6–10), single head, over pooled positions.

    The bias of `norm_k` shifts all scores of a query alike, so the softmax cancels it and it
    never learns. It is kept, because the equations have three complete batch norms.
    """

    def __init__(self, channels: int, pool: int, norm: type[nn.Module] = BatchRenorm) -> None:
        super().__init__()
        self.side = pool
        self.norm_q, self.norm_k, self.norm_v = norm(channels), norm(channels), norm(channels)

    def forward(self, f_f: Tensor, f_r: Tensor) -> tuple[Tensor, Tensor]:
        """f^F_i, f^R_i (B, c, h, w) → concat(O, f^F_i) (B, 2c, h, w), weights (B, p², p²)."""
        pooled = average_pool(f_f, self.side)  # (B, c, p, p)
        query = self.norm_q(pooled).flatten(2).mT  # Q (B, p², c), Eqs. 6–8
        key = self.norm_k(average_pool(f_r, self.side)).flatten(2).mT  # K (B, p², c)
        value = self.norm_v(pooled).flatten(2).mT  # V (B, p², c)
        weights = torch.softmax(query @ key.mT / query.shape[-1] ** 0.5, dim=-1)  # (B, p², p²)
        attended = (weights @ value).mT.unflatten(2, pooled.shape[-2:])  # O (B, c, p, p), Eq. 9
        size = (f_f.shape[-2], f_f.shape[-1])
        return torch.cat([resize(attended, size), f_f], dim=1), weights  # Eq. 10


class FFM(nn.Module):
    """Feature fusion module (Eqs. 5, 11–13): brings f^R_i into the decoder.

    At full size f_d starts silent: f^R_1 alone has the pixels that the first images need, unless
    it is noise.
    """

    def __init__(self, channels: int, *, silent: int = 0) -> None:
        super().__init__()
        self.align = nn.Sequential(
            conv3(channels, channels), nn.ReLU(), conv3(channels, channels), nn.ReLU()
        )
        joined = conv3(2 * channels, channels, joined=2, silent=silent)
        self.merge = nn.Sequential(joined, nn.ReLU(), conv3(channels, channels), nn.ReLU())
        self.project = conv1(2 * channels, channels, joined=2, silent=silent)

    def forward(self, f_r: Tensor, f_d: Tensor) -> Tensor:
        """f^R_i and the decoder's f_d of the same stage, (B, c, h, w) each → (B, c, h, w)."""
        a = torch.cat([self.align(f_r), f_d], dim=1)  # (B, 2c, h, w), Eq. 11
        b = self.merge(a)  # (B, c, h, w), Eq. 12
        return self.project(torch.cat([b, f_d], dim=1))  # type: ignore[no-any-return]  # Eq. 13


class SINet(nn.Module):
    """Stage-interactive network of stage i: IRM and CAM in the encoder, FFM in the decoder."""

    def __init__(self, config: Config, stage: int) -> None:
        super().__init__()
        channels = config.channels[stage]
        norm = BatchRenorm if config.norm == "renorm" else nn.BatchNorm2d
        self.irm = IRM(channels, scaled=config.head == "scaled") if config.irm else None
        self.cam = CAM(channels, config.pool[stage], norm) if config.cam else None
        silent = stage == 0 and config.semantics != "noise"
        self.ffm = FFM(channels, silent=int(silent))


class NormalisedConv(nn.Sequential):
    """3×3 convolution, group norm (about 8 channels) or none, ReLU: (B, a, h, w) → (B, b, h, w)."""

    def __init__(self, inputs: int, outputs: int, norm: str) -> None:
        grouped = norm == "group"
        conv = normal(nn.Conv2d(inputs, outputs, kernel_size=3, padding=1, bias=not grouped))
        groups = next(n for n in range(max(1, outputs // 8), 0, -1) if outputs % n == 0)
        norms = [nn.GroupNorm(groups, outputs)] if grouped else []
        super().__init__(conv, *norms, nn.ReLU())


class SegmentationDecoder(nn.Module):
    """Class scores from f^S_1 … f^S_3: a U-Net whose first stages are the encoder's.

    It may halve the size further, because the class of a pixel depends on more than the next few
    metres. On the way up, finer features are joined by concatenation.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        c1, c2, c3 = config.channels
        norm, context = config.segmentation_norm, config.segmentation_context
        self.bottom = NormalisedConv(c3, c3, norm)
        self.down = nn.ModuleList([NormalisedConv(c3, c3, norm) for _ in range(context)])
        joined = [(c3 + c3, c3)] * context + [(c3 + c2, c2), (c2 + c1, c1)]
        self.up = nn.ModuleList([NormalisedConv(a, b, norm) for a, b in joined])
        # Scores start large, so that the gradient reaches the features of rare classes too.
        self.head = normal(nn.Conv2d(c1, config.classes, kernel_size=1), LARGE)

    def forward(self, stages: list[Tensor]) -> Tensor:
        """[f^S_1, f^S_2, f^S_3] → logits (B, classes, H, W)."""
        x = self.bottom(stages[-1])
        skips = stages[:-1]
        for down in self.down:
            skips = [*skips, x]
            x = down(F.avg_pool2d(x, 2))
        for up, skip in zip(self.up, reversed(skips), strict=True):
            x = up(torch.cat([resize(x, (skip.shape[-2], skip.shape[-1])), skip], dim=1))
        return self.head(x)  # type: ignore[no-any-return]


class SegFANet(nn.Module):
    """Segmentation branch, fusion branch, and the SINets that join them."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        channels = config.channels
        # CAM doubles what the next stage receives (Eq. 10).
        joined = [
            c * (2 if i < config.sinets and config.cam else 1) for i, c in enumerate(channels)
        ]
        self.segmentation_encoder = _encoder((2, *channels[:-1]), channels)
        self.fusion_encoder = _encoder((2, *joined[:-1]), channels)
        self.sinets = nn.ModuleList([SINet(config, stage) for stage in range(config.sinets)])
        self.segmentation_decoder = SegmentationDecoder(config)
        self.bottom = conv3(joined[-1], channels[-1], joined=joined[-1] // channels[-1])
        self.refine = nn.ModuleList([ResidualBlock(c) for c in channels])
        self.up = nn.ModuleList([conv1(c, c // 2) for c in channels[1:]])
        self.head = ImageHead(channels[0], scaled=config.head == "scaled")
        if config.initial == "linear":
            self._start_with_the_mean()
        for conv in self.modules() if config.initial == "torch" else ():
            if isinstance(conv, nn.Conv2d):
                conv.reset_parameters()
        # 3×3 convolutions of channels-last memory are faster, on CPUs and on GPUs.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, infrared: Tensor, visible: Tensor, *, segment: bool = True) -> Output:
        """Fuse (B, 1, H, W) pairs in [0, 1], any H, W ≥ 41, and segment them if `segment`."""
        height, width = infrared.shape[-2:]
        pair = self._scaled(pad(torch.cat([infrared, visible], dim=1)))
        f_s = self._segmentation_features(pair)
        aligned, reconstructed = self._align(self.config.seen(f_s, self.training))
        fusion, deepest, attention = self._fusion_features(pair, aligned)
        fused = self.head(self._decode(deepest, [*map(self.config.guide, fusion, aligned)]))
        logits = self.segmentation_decoder(f_s)[..., :height, :width] if segment else None
        return Output(
            fused=fused[..., :height, :width],
            logits=logits,
            reconstructed=reconstructed,
            segmentation=f_s[: len(aligned)],
            aligned=aligned,
            fusion=fusion,
            attention=attention,
        )

    @torch.no_grad()
    def _start_with_the_mean(self) -> None:
        """Let every head start with the mean of the sources; see docs/learning.md for the reason.

        As the network starts as a linear map of single pixels, a grid of grey pairs decides it.
        """
        levels = torch.linspace(0, 1, 5)
        grey = torch.cartesian_prod(levels, levels)
        noisy = self.config.semantics == "noise"
        pair = self._scaled(
            grey[:, :, None, None].expand(-1, -1, *2 * [NOISY if noisy else STRIDE])
        )
        aligned, _ = self._align(self.config.seen(self._segmentation_features(pair), False))
        irms: list[Any] = [sinet.irm for sinet in self.sinets] if self.config.irm else []
        shown = [(irm.head, feature) for irm, feature in zip(irms, aligned, strict=False)]
        if noisy:
            _, deepest, _ = self._fusion_features(pair, aligned)
            shown += [(self.head, self._decode(deepest, aligned))]
        else:
            guide = self.config.guide(self.fusion_encoder[0](pair), aligned[0])
            ffm: Any = self.sinets[0].ffm
            shown += [(self.head, ffm(guide, torch.zeros_like(guide)))]
        for head, features in shown:
            places = features[..., ::STRIDE, ::STRIDE]
            means = grey.mean(1)[:, None, None].expand(-1, *places.shape[-2:]).flatten()
            head.start_with(means, places.movedim(1, -1).reshape(len(means), -1, 1, 1))

    def _scaled(self, pair: Tensor) -> Tensor:
        # This gives about zero mean and unit deviation, which the initial weights keep.
        return INPUT_GAIN * (pair - 0.5) if self.config.scale_inputs else pair

    def _segmentation_features(self, pair: Tensor) -> list[Tensor]:
        """Return f^S_i of all stages, Eq. 1."""
        stages = accumulate(self.segmentation_encoder, lambda x, stage: stage(x), initial=pair)
        return list(stages)[1:]

    def _align(self, f_s: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Return f^R_i and I_res,i of each SINet (Eq. 3); without IRM f^R_i is f^S_i."""
        irms: list[Any] = [sinet.irm for sinet in self.sinets]
        if not self.config.irm:
            return f_s[: len(irms)], []
        pairs = [irm(feature) for irm, feature in zip(irms, f_s, strict=False)]
        return [f_r for f_r, _ in pairs], [image for _, image in pairs]

    def _fusion_features(
        self, pair: Tensor, aligned: list[Tensor]
    ) -> tuple[list[Tensor], Tensor, list[Tensor]]:
        """Return f^F_i of each SINet, the decoder's input, and CAM's weights (Eqs. 2, 4)."""
        features, attention = [], list[Tensor]()
        x = pair
        for i, stage in enumerate(self.fusion_encoder):
            x = stage(x)
            if i >= len(aligned):
                continue
            features.append(x)
            cam: Any = self.sinets[i].cam
            f_r = self.config.guide(x, aligned[i])
            x, *weights = (x + f_r,) if cam is None else cam(x, f_r)
            attention += weights
        return features, x, attention

    def _decode(self, deepest: Tensor, aligned: list[Tensor]) -> Tensor:
        """Decode the fusion branch, coarse to fine; FFM acts where stage i has a SINet (Eq. 5)."""
        x = F.relu(self.bottom(deepest))
        for i in reversed(range(STAGES)):
            x = self.refine[i](x)
            if i < len(aligned):
                ffm: Any = self.sinets[i].ffm
                x = ffm(aligned[i], x)
            if i > 0:
                # The 1×1 convolution comes first: the result is the same, with fewer pixels.
                x = resize(self.up[i - 1](x), (2 * x.shape[-2], 2 * x.shape[-1]))
        return x


def _encoder(inputs: tuple[int, ...], outputs: tuple[int, ...]) -> nn.ModuleList:
    return nn.ModuleList(
        EncoderStage(a, b, halve=i > 0)
        for i, (a, b) in enumerate(zip(inputs, outputs, strict=True))
    )
