"""Control: the visible source itself."""

from torch import Tensor


class Visible:
    """Returns the visible source, so that a reader sees what fusion adds."""

    def fuse(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """Return the visible source unchanged; (B, 1, H, W) in [0, 1]."""
        return visible
