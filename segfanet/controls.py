"""Controls of the paper's thesis: the same network without one thing that its semantics rest on.

The thesis is that aligned segmentation features help fusion. A control that does as well shows
that something else helps: more parameters, more paths, or an auxiliary image to reconstruct.
Labels of another tile are a key of the recipe (`permute_labels`), not of the network.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

SEMANTICS = ("learned", "no_loss", "noise", "fusion", "frozen")


@dataclass(frozen=True, kw_only=True)
class Controls:
    """The options that make a control of the network.

    semantics: `learned`; `no_loss`: L_s = 0; `noise`: the IRMs receive noise for f^S; `fusion`:
    f^F stands in the place of f^R; `frozen`: the segmentation encoder keeps its first weights.
    capacity: number of SINets whose parameters the network has, by its width; 0 keeps the width.
    """

    semantics: str = "learned"
    capacity: int = 0

    def __post_init__(self) -> None:
        """Refuse other values.

        Raises:
            ValueError: naming the option, the value and those that are known.
        """
        if self.semantics not in SEMANTICS:
            known = ", ".join(SEMANTICS)
            raise ValueError(f"semantics is {self.semantics!r}, expected one of {known}")
        if self.capacity not in range(4):
            raise ValueError(f"capacity is {self.capacity}, expected 0 to 3 SINets")

    def seen(self, f_s: list[Tensor], training: bool) -> list[Tensor]:
        """Return what the IRMs receive: f^S_i, (B, c, h, w) each, or noise of that size.

        Noise is new in every training step and fixed in evaluation, so that fusing repeats.
        """
        if self.semantics != "noise":
            return f_s
        if training:
            return [torch.randn_like(feature) for feature in f_s]
        return [_fixed_noise(feature, stage) for stage, feature in enumerate(f_s)]

    def guide(self, f_f: Tensor, f_r: Tensor) -> Tensor:
        """Return what CAM and FFM receive for f^R_i."""
        return f_f if self.semantics == "fusion" else f_r


def _fixed_noise(like: Tensor, seed: int) -> Tensor:
    # Drawn on the CPU, because a GPU draws other numbers.
    noise = torch.randn(like.shape[1:], generator=torch.Generator().manual_seed(seed))
    return noise.to(like.device, like.dtype).expand_as(like)
