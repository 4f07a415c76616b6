"""LRRNet (Li et al., IEEE TPAMI 45, 2023): unrolled low-rank and sparse coding of both images."""

import torch
from torch import Tensor, nn

from harness.blocks.layers import stretched
from harness.blocks.renaming import renamed

CODES, STAGES = 256, 4
LEVELS, EPSILON = 255, 1e-5
BRANCHES = {"get_ls1": "infrared", "get_ls2": "visible"}
NAMES = {
    **{
        f"{theirs}.{part}": f"{ours}.{place}"
        for theirs, ours in BRANCHES.items()
        for part, place in (
            ("lamj", "threshold"),
            ("lamz", "memory"),
            ("conv_W00.conv2d.", "encode."),
            *((f"lrrblock{i}.conv_Wdz.conv2d.", f"decodes.{i}.") for i in range(STAGES)),
            *((f"lrrblock{i}.conv_Wdtz.conv2d.", f"encodes.{i}.") for i in range(STAGES)),
        )
    },
    "decoder.conv_ReZx.conv2d.": "infrared_low.",
    "decoder.conv_ReUx.conv2d.": "infrared_sparse.",
    "decoder.conv_ReZy.conv2d.": "visible_low.",
    "decoder.conv_ReUy.conv2d.": "visible_sparse.",
    "decoder.conv_ReL.conv2d.": "low.",
    "decoder.conv_ReH.conv2d.": "sparse.",
}


class Coding(nn.Module):
    """Learned iterations that code an image: the first half low-rank, the second half sparse."""

    def __init__(self) -> None:
        super().__init__()
        self.threshold = nn.Parameter(torch.rand(1, CODES))
        self.memory = nn.Parameter(torch.rand(1, 1))
        self.encode = _conv(1, CODES)
        self.encodes = nn.ModuleList(_conv(1, CODES) for _ in range(STAGES))
        self.decodes = nn.ModuleList(_conv(CODES, 1) for _ in range(STAGES))

    def forward(self, image: Tensor) -> Tensor:
        """(B, 1, H, W) → (B, CODES, H, W)."""
        code = self._shrunk(self.encode(image))
        for encode, decode in zip(self.encodes, self.decodes, strict=True):
            missing = image - decode(code)
            code = self._shrunk(code.mul_(self.memory).add_(encode(missing)))
        return code

    def _shrunk(self, code: Tensor) -> Tensor:
        """Move each value towards 0 by its channel's threshold, in place.

        One threshold of the authors' file is negative. There, values of either sign move away
        from 0, and 0 stays 0, so that `softshrink` or a difference of two ReLUs would be wrong.
        """
        size = code.abs().sub_(self.threshold[..., None, None]).clamp_(min=0)
        return size.mul_(code.sign_())


class LRRNet(nn.Module):
    """The network; infrared and visible have separate weights."""

    def __init__(self) -> None:
        super().__init__()
        self.infrared, self.visible = Coding(), Coding()
        self.infrared_low, self.visible_low = _conv(CODES // 2, 1), _conv(CODES // 2, 1)
        self.infrared_sparse, self.visible_sparse = _conv(CODES // 2, 1), _conv(CODES // 2, 1)
        self.low, self.sparse = _conv(2, 1), _conv(2, 1)

    def forward(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """(B, 1, H, W) pairs in [0, 1], H and W ≥ 2 → (B, 1, H, W) on no particular scale."""
        first = self._decoded(infrared, self.infrared, self.infrared_low, self.infrared_sparse)
        second = self._decoded(visible, self.visible, self.visible_low, self.visible_sparse)
        low, sparse = (torch.cat(parts, dim=1) for parts in zip(first, second, strict=True))
        return self.low(low) + self.sparse(sparse)  # type: ignore[no-any-return]

    @staticmethod
    def _decoded(image: Tensor, coding: Coding, *heads: nn.Conv2d) -> list[Tensor]:
        # The authors normalise grey levels, so that their epsilon is a share of 255.
        code = coding(stretched(LEVELS * image, EPSILON))
        return [head(half) for head, half in zip(heads, code.chunk(2, dim=1), strict=True)]

    def fuse(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """Fuse float32 (B, 1, H, W) pairs; each output is stretched to [0, 1], as in training."""
        return stretched(self(infrared, visible), EPSILON)

    @staticmethod
    def official_state(state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Convert the authors' state dict into ours."""
        return renamed(state, NAMES)


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1, padding_mode="reflect")
