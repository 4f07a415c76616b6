"""Control: the infrared source itself."""

from torch import Tensor


class Infrared:
    """Returns the infrared source, so that a reader sees what fusion adds."""

    def fuse(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """Return the infrared source unchanged; (B, 1, H, W) in [0, 1]."""
        return infrared
