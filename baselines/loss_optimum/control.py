"""Control: the image that minimises the fusion loss of SegFANet, found without a network."""

import torch
from torch import Tensor

from segfanet.losses import Sources, similarity_loss


class LossOptimum:
    """Minimises Eq. 15 of Qiu, Zhao, Wang 2025 with Adam on the pixels, from the average.

    Each image of a batch has its own pixels, and the loss is summed over the images, so the
    result does not depend on the batch.
    """

    def __init__(self, steps: int, learning_rate: float) -> None:
        self.steps, self.learning_rate = steps, learning_rate

    def fuse(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """Return the optimum for (B, 1, H, W) pairs in [0, 1]; same shape and range."""
        sources = Sources(infrared, visible)
        with torch.enable_grad():
            pixels = ((infrared + visible) / 2).requires_grad_()
            optimiser = torch.optim.Adam([pixels], lr=self.learning_rate)
            for _ in range(self.steps):
                optimiser.zero_grad()
                loss = similarity_loss(pixels, sources) * len(pixels)
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                with torch.no_grad():
                    pixels.clamp_(0.0, 1.0)
        return pixels.detach()
