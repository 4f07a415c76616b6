"""LiMFusion (Qian et al., Optics and Lasers in Engineering 181, 2024)."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from baselines.limfusion.high import HighBranch
from baselines.limfusion.losses import gradient_loss, neighbour_loss
from baselines.limfusion.low import LowBranch
from baselines.limfusion.preparation import Layers, pad, prepare
from harness.blocks.layers import channels_last
from harness.blocks.renaming import renamed
from harness.methods.contract import Batch

NAMES = {
    **{
        f"{short}_{theirs.format(i)}": f"high.{modality}.{ours.format(place)}"
        for theirs, ours in (("encoder_H_conv{}.conv2d.", "{}."), ("sa{}.sa.", "attend_{}."))
        for short, modality in (("ir", "infrared"), ("vi", "visible"))
        for i, place in ((1, "first"), (2, "second"))
    },
    **{f"decoder_H_conv{i + 1}.conv2d.": f"high.decoder.{i}." for i in range(3)},
    **{
        f"{side}_L_conv{level + 1}_{i + 1}.conv2d.": f"low.{side}.{level}.{i}."
        for side in ("encoder", "decoder")
        for level in range(4)
        for i in range(3)
    },
    **{f"decoder_up{level + 1}.": f"low.up.{level}." for level in range(3)},
    **{f"decoder_L_out{i + 1}.conv2d.": f"low.head.{i}." for i in range(2)},
    **{f"CA{level + 1}.ca.se.": f"low.attention.{level}.squeeze." for level in range(4)},
}


class LiMFusion(nn.Module):
    """Two branches whose outputs are added; infrared and visible are not interchangeable."""

    def __init__(self) -> None:
        super().__init__()
        self.high, self.low = HighBranch(), LowBranch()

    def forward(self, infrared: Layers, visible: Layers) -> tuple[Tensor, Tensor]:
        """Prepared layers of both → the high and the low part of the fused image, (B, 1, H, W)."""
        infrared, visible = (Layers(*map(channels_last, layers)) for layers in (infrared, visible))
        high = self.high(infrared.high, visible.high)
        low = self.low(infrared.low, visible.low, infrared.information, visible.information)
        return high, low

    def fuse(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """Fuse float32 (B, 1, H, W) pairs; unclamped, see `harness.methods.contract.Method`.

        H and W are at least 9.
        """
        height, width = infrared.shape[-2:]
        high, low = self(prepare(pad(infrared)), prepare(pad(visible)))
        return (high + low)[..., :height, :width].contiguous()  # type: ignore[no-any-return]

    def publish(self, infrared: Tensor, visible: Tensor, rgb: Tensor | None) -> Tensor:
        """Clamp and truncate, between Pillow's 8-bit conversions of colours."""
        if rgb is None:
            return _levels(self.fuse(infrared, visible))
        colour = Image.fromarray(rgb[0].movedim(0, -1).cpu().numpy()).convert("YCbCr")
        luma, *chroma = colour.split()
        levels = torch.from_numpy(np.array(luma)).to(infrared)[None, None]
        fused = Image.fromarray(_levels(self.fuse(infrared, levels / 255)).numpy())
        merged = Image.merge("YCbCr", (fused, *chroma)).convert("RGB")
        return torch.from_numpy(np.array(merged)).movedim(-1, 0)

    def training_loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return the terms of gradients, intensity of the low part, and neighbour differences."""
        infrared, visible = pad(batch.infrared), pad(batch.visible)
        with torch.no_grad():
            ir, vi = prepare(infrared), prepare(visible)
        high, low = self(ir, vi)
        fused = high + low
        return {
            "gradient": 10 * gradient_loss(fused, infrared, visible),
            "intensity": (low - torch.maximum(ir.low, vi.low)).square().mean(),
            "neighbours": 0.1 * (neighbour_loss(fused, infrared) + neighbour_loss(fused, visible)),
        }

    @staticmethod
    def official_state(state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Convert the authors' state dict into ours."""
        return renamed(state, NAMES)


def _levels(fused: Tensor) -> Tensor:
    return (255 * fused[0, 0].clamp(0, 1)).to("cpu", torch.uint8)
