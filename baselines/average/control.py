"""Control: the plain average of the two sources."""

from torch import Tensor


class Average:
    """Mean of infrared and visible, the least that a fusion method has to beat."""

    def fuse(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """Return the pixel-wise mean; (B, 1, H, W) in [0, 1]."""
        return (infrared + visible) / 2
