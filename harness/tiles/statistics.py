"""What a set of tiles consists of: pixels a class and the mean of every band."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import HarnessError
from harness.pixels import IGNORE
from harness.scenes.scene import BANDS, LABEL


@dataclass(frozen=True)
class Tally:
    """Exact sums; two of them add up, in any order, to that of both sets.

    Attributes:
        pixels: of all tiles.
        classes: pixels of every class; the rest belongs to none.
        sums: of red, green, blue and infrared.
    """

    pixels: int
    classes: tuple[int, ...]
    sums: tuple[int, ...]

    @staticmethod
    def of(tile: NDArray[np.uint8], classes: int, place: str) -> "Tally":
        """Count a tile of shape (5, H, W), and check that every label is a class or ignored.

        Raises:
            HarnessError: naming `place` and the strange labels.
        """
        labels = tile[LABEL]
        counts = tuple(int(np.count_nonzero(labels == index)) for index in range(classes))
        if sum(counts) + np.count_nonzero(labels == IGNORE) != labels.size:
            strange = np.setdiff1d(labels, [*range(classes), IGNORE]).tolist()
            raise HarnessError(f"{place}: labels {strange} of a set of {classes} classes")
        # 32 bits are faster than 64, and hold the sum of 2**24 pixels.
        wide = np.uint32 if labels.size <= 1 << 24 else np.uint64
        sums = tuple(tile[:4].reshape(4, -1).sum(axis=1, dtype=wide).tolist())
        return Tally(labels.size, counts, sums)

    @staticmethod
    def total(parts: "list[Tally]", classes: int) -> "Tally":
        """Add up any number of tallies of a set of `classes` classes."""
        return Tally(
            sum(part.pixels for part in parts),
            tuple(sum(part.classes[index] for part in parts) for index in range(classes)),
            tuple(sum(part.sums[band] for part in parts) for band in range(4)),
        )

    def describe(self) -> dict[str, Any]:
        """Return shares and means for `dataset.json`; pixels in two tiles count twice."""
        pixels = max(self.pixels, 1)
        return {
            "pixels": self.pixels,
            "class_shares": [count / pixels for count in self.classes],
            "ignored_share": 1 - sum(self.classes) / pixels if self.pixels else 0.0,
            "band_means": {
                name: total / pixels for name, total in zip(BANDS, self.sums, strict=False)
            },
        }
