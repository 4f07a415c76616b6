"""The spatial-frequency term of YDTR's loss."""

import torch
import torch.nn.functional as F
from torch import Tensor

WINDOW = 11


def local_frequency(images: Tensor) -> Tensor:
    """Return 1 − the 11×11 sum of squared differences to the left and upper neighbour.

    (B, 1, H, W) → (B, 1, H, W), at most 1; pixels outside the image are zero.
    """
    padded = F.pad(images, (1, 0, 1, 0))
    left, upper = padded[..., 1:, :-1], padded[..., :-1, 1:]
    energy = (left - images) ** 2 + (upper - images) ** 2
    return 1 - WINDOW**2 * F.avg_pool2d(energy, WINDOW, stride=1, padding=WINDOW // 2)


def spatial_frequency_loss(fused: Tensor, source: Tensor) -> Tensor:
    """Return the Euclidean norm, over the whole batch, of the difference of local frequencies."""
    return torch.linalg.vector_norm(local_frequency(fused) - local_frequency(source))  # type: ignore[no-any-return]
