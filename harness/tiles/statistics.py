"""What a set of tiles consists of: the pixels of each class and the mean of each band."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import HarnessError
from harness.pixels import IGNORE
from harness.scenes.scene import BANDS, LABEL


@dataclass(frozen=True)
class TileStatistics:
    """Exact sums over tiles; those of two sets add up to those of both, in any order.

    `classes` has the number of pixels of each class, `sums` the sums of the red, green, blue and
    infrared values.
    """

    pixels: int
    classes: tuple[int, ...]
    sums: tuple[int, ...]

    @staticmethod
    def of(tile: NDArray[np.uint8], classes: int, place: str) -> "TileStatistics":
        """Count a tile of shape (5, H, W), and check that every label is a class or ignored.

        Raises:
            HarnessError: naming `place` and the labels that are not expected.
        """
        labels = tile[LABEL]
        counts = tuple(int(np.count_nonzero(labels == index)) for index in range(classes))
        if sum(counts) + np.count_nonzero(labels == IGNORE) != labels.size:
            unexpected = np.setdiff1d(labels, [*range(classes), IGNORE]).tolist()
            raise HarnessError(f"{place}: labels {unexpected} of a set of {classes} classes")
        # Sums of 32 bits are faster than of 64, and suffice for 2**24 pixels.
        wide = np.uint32 if labels.size <= 1 << 24 else np.uint64
        sums = tuple(tile[:4].reshape(4, -1).sum(axis=1, dtype=wide).tolist())
        return TileStatistics(labels.size, counts, sums)

    @staticmethod
    def total(parts: "list[TileStatistics]", classes: int) -> "TileStatistics":
        """Add up the statistics of any number of parts of a set with `classes` classes."""
        return TileStatistics(
            sum(part.pixels for part in parts),
            tuple(sum(part.classes[index] for part in parts) for index in range(classes)),
            tuple(sum(part.sums[band] for part in parts) for band in range(4)),
        )

    def describe(self) -> dict[str, Any]:
        """Return shares and means for `dataset.json`; a pixel in two tiles counts twice."""
        pixels = max(self.pixels, 1)
        return {
            "pixels": self.pixels,
            "class_shares": [count / pixels for count in self.classes],
            "ignored_share": 1 - sum(self.classes) / pixels if self.pixels else 0.0,
            "band_means": {
                name: total / pixels for name, total in zip(BANDS, self.sums, strict=False)
            },
        }
