"""Control: the plain average of the two sources."""

from torch import Tensor


class Average:
    """The mean of infrared and visible; a fusion method should at least beat it."""

    def fuse(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """Return the pixel-wise mean; (B, 1, H, W) in [0, 1]."""
        return (infrared + visible) / 2
