"""The settings of SegFANet: those of the paper's Tables 3-5, and where it departs from the text."""

from collections.abc import Sequence
from dataclasses import dataclass

from segfanet.controls import Controls

STAGES = 3
CHOICES = {
    "norm": ("renorm", "batch"),
    "initial": ("linear", "torch"),
    "head": ("scaled", "plain"),
    "dice": ("present", "all"),
    "scale_inputs": (True, False),
    "segmentation_norm": ("group", "none"),
    "segmentation_context": (3, 2, 1, 0),
}
"""Option → its values: ours, and last the literal one, of Eqs. 1-18 and torch's defaults."""


@dataclass(frozen=True)
class Config(Controls):
    """One variant of the network; `Controls` has two further options.

    width: channels of stage 1. sinets: the first k encoder stages interact (Table 3).
    irm: without it the segmentation feature goes straight to CAM and FFM (Table 4).
    cam: without it f^R is added to f^F in place of the attention (Table 5). pool: side of CAM's
    token grid at each stage. classes: of the segmentation head.

    The others say where the network departs from the text. norm: of CAM's tokens, batch norm or
    our batch renorm. initial: weights that make the network linear, or torch's. head: images as
    ½ plus a small multiple of the last convolution, or that convolution alone. dice: mean over
    the classes that occur in the batch, or over all. scale_inputs: images enter with zero mean
    and unit deviation. segmentation_norm: group norm behind the convolutions of the segmentation
    decoder. segmentation_context: number of further halvings inside it.
    """

    width: int = 32
    sinets: int = 3
    irm: bool = True
    cam: bool = True
    pool: Sequence[int] = (32, 16, 8)
    classes: int = 7
    norm: str = "renorm"
    initial: str = "linear"
    head: str = "scaled"
    dice: str = "present"
    scale_inputs: bool = True
    segmentation_norm: str = "group"
    segmentation_context: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, values in CHOICES.items():
            if getattr(self, name) not in values:
                known = ", ".join(map(str, values))
                raise ValueError(f"{name} is {getattr(self, name)!r}, expected one of {known}")
        if not 1 <= self.sinets <= STAGES:
            raise ValueError(f"sinets is {self.sinets}, expected 1 to {STAGES}")
        if len(self.pool) != STAGES:
            raise ValueError(f"pool is {tuple(self.pool)}, expected {STAGES} grid sides")

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels c_i of the three stages."""
        return tuple(self.width * 2**i for i in range(STAGES))
