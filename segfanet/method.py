"""SegFANet as a method of the harness."""

from inspect import signature
from typing import Any

from torch import Tensor

from harness.methods.contract import Batch
from segfanet.capacity import widened
from segfanet.config import Config
from segfanet.losses import Sources, reconstruction_loss, segmentation_loss, similarity_loss
from segfanet.model import Output, SegFANet, pad


class SegFANetMethod(SegFANet):
    """The network with its loss; options are those of `segfanet.config.Config`."""

    __signature__ = signature(Config)

    def __init__(self, classes: int, **options: Any) -> None:
        super().__init__(widened(Config(classes=classes, **options)))
        # A frozen encoder is one that keeps its first weights, which are random.
        self.segmentation_encoder.requires_grad_(self.config.semantics != "frozen")

    def fuse(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """Fuse float32 (B, 1, H, W) pairs in [0, 1]; see `harness.methods.contract.Method`."""
        return self.forward(infrared, visible, segment=False).fused.clamp(0, 1)

    def training_loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return the three terms of Eq. 14, unweighted; a setting may lack one."""
        segment = self.config.semantics != "no_loss"
        return self.losses(self(batch.infrared, batch.visible, segment=segment), batch)

    def losses(self, output: Output, batch: Batch) -> dict[str, Tensor]:
        """Return the terms, given the network's output for the batch."""
        sources = Sources(batch.infrared, batch.visible)
        terms = {"fusion": similarity_loss(output.fused, sources)}
        if output.logits is not None:
            terms["segmentation"] = segmentation_loss(output.logits, batch.label, self.config.dice)
        if self.config.irm:
            padded = pad(batch.infrared)
            if padded.shape != batch.infrared.shape:
                sources = Sources(padded, pad(batch.visible))
            terms["reconstruction"] = reconstruction_loss(output.reconstructed, sources)
        return terms
