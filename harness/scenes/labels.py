"""Map the values of a label image to class indices exactly, with a lookup table."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from harness.errors import HarnessError
from harness.pixels import IGNORE

Bytes = NDArray[np.uint8]
Codes = NDArray[np.uint8] | NDArray[np.uint16]
LARGEST_CODE = 65535
_UNKNOWN = 254
CHUNK = 1 << 15
"""Number of pixels whose keys are computed at a time."""
SHOWN = 4
"""Number of unknown values that a message lists."""


@dataclass(frozen=True)
class LabelEncoding:
    """How the pixel values of a label image encode classes.

    Attributes:
        values: the value of each class: three bytes of a colour, or one code of up to 16 bits.
        ignore: further values, for pixels that belong to no class.
        tolerance: largest difference in any channel at which a colour still counts as a
            value; 0 requires the exact value. Damaged label files differ by a few steps.
        hint: what a user can do about a value outside the encoding.
    """

    values: tuple[tuple[int, ...], ...]
    ignore: tuple[tuple[int, ...], ...] = ()
    tolerance: int = 0
    hint: str = "fix the file"

    def __post_init__(self) -> None:
        """Raise HarnessError for values that are no colours or codes, or that mean two classes."""
        every = [*self.values, *self.ignore]
        if len({len(value) for value in every}) != 1 or self.channels not in (1, 3):
            raise HarnessError(f"labels: {every} must all be one number, or all three numbers")
        largest = 255 if self.channels == 3 else LARGEST_CODE
        if not all(type(item) is int and 0 <= item <= largest for value in every for item in value):
            raise HarnessError(f"labels: {every} must be whole numbers from 0 to {largest}")
        if len(self.values) >= _UNKNOWN:
            raise HarnessError(f"labels: {len(self.values)} classes, at most {_UNKNOWN - 1} fit")
        for index, value in enumerate(every):
            for other in every[:index]:
                apart = max(abs(a - b) for a, b in zip(value, other, strict=True))
                if apart <= 2 * self.tolerance:
                    raise HarnessError(
                        f"labels: {value} and {other} differ by {apart}, "
                        f"too little for a tolerance of {self.tolerance}"
                    )

    @property
    def channels(self) -> int:
        """Number of bands of a label image: 3 for colours, 1 for codes."""
        return len(self.values[0])

    @cached_property
    def _table(self) -> Bytes:
        """Class index of every possible value: 256 ** 3 colours, or 65,536 codes."""
        shape = (256,) * 3 if self.channels == 3 else (LARGEST_CODE + 1,)
        table = np.full(shape, _UNKNOWN, np.uint8)
        indexed = [*enumerate(self.values), *((IGNORE, value) for value in self.ignore)]
        for index, value in indexed:
            near = (slice(max(v - self.tolerance, 0), v + self.tolerance + 1) for v in value)
            table[tuple(near)] = index
        return table.reshape(-1)

    def decode(self, bands: Codes, place: str, out: Bytes | None = None) -> Bytes:
        """Return the class indices (H, W) uint8 of a label image (channels, H, W).

        Args:
            bands: the image, uint8, or uint16 for codes; bands beyond the channels are not used.
            place: file and position, for the message.
            out: array (H, W) to fill instead of a new one.

        Raises:
            HarnessError: for values outside the encoding, with the count of each.
        """
        if len(bands) < self.channels:
            raise HarnessError(
                f"{place}: {len(bands)} band(s), expected {self.channels} for labels"
            )
        bands = bands[: self.channels]
        _, height, width = bands.shape
        labels = np.empty((height, width), np.uint8) if out is None else out
        # Only a few rows at a time, so that the keys stay in the cache of the processor.
        step = max(1, CHUNK // max(width, 1))
        for row in range(0, height, step):
            rows = slice(row, row + step)
            self._look_up(bands[:, rows], labels[rows])
        unknown = labels == _UNKNOWN
        if unknown.any():
            raise HarnessError(f"{place}: {_describe(bands, unknown)}; {self.hint}")
        return labels

    def _look_up(self, bands: Codes, labels: Bytes) -> None:
        if self.channels == 1 and bands.dtype == np.uint8:
            # Bytes need no keys; `translate` is a third faster than a lookup by numpy.
            found = bands.tobytes().translate(self._table[:256].tobytes())
            labels[:] = np.frombuffer(found, np.uint8).reshape(labels.shape)
            return
        keys: NDArray[np.intp] = bands[0].astype(np.intp)
        for band in bands[1:]:
            keys <<= 8
            keys |= band
        self._table.take(keys, out=labels, mode="clip")


def _describe(bands: Codes, unknown: NDArray[np.bool_]) -> str:
    values, counts = np.unique(bands[:, unknown].T, axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:SHOWN]
    row, column = np.argwhere(unknown)[0].tolist()
    names = [value[0] if len(value) == 1 else tuple(value) for value in values.tolist()]
    listed = ", ".join(f"{names[i]} × {counts[i]}" for i in order)
    more = f" and {len(values) - SHOWN} further values" if len(values) > SHOWN else ""
    return (
        f"{unknown.sum()} pixels outside the labels ({listed}{more}; the first at row {row}, "
        f"column {column} of this window)"
    )
