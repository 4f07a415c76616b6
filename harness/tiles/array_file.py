"""`.npy` files of images: of one size as one block, of several sizes one after the other."""

import os
from collections.abc import Sequence
from itertools import accumulate
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.disk.files import check_space

Bytes = NDArray[np.uint8]
Shape = tuple[int, ...]


def array_shape(shapes: Sequence[Shape], empty: Shape = ()) -> Shape:
    """Return the shape of the array that holds images of these shapes, one after the other.

    Args:
        shapes: of every image, such as (bands, height, width).
        empty: the shape of an image, for an array without any.

    Returns:
        (N, *shape) if all have one shape, else (M,), the number of all values.
    """
    kinds = set(shapes) or {empty}
    return (len(shapes), *kinds.pop()) if len(kinds) == 1 else (sum(map(prod, shapes)),)


class Images:
    """Gives the images of such an array one by one, or several of one shape; nothing is copied."""

    def __init__(self, array: Bytes, shapes: Sequence[Shape]) -> None:
        self.array, self.shapes = array, shapes
        self._flat = array.reshape(-1)
        self._ends = [0, *accumulate(map(prod, shapes))]

    def __len__(self) -> int:
        return len(self.shapes)

    def __getitem__(self, index: int) -> Bytes:
        """Return one image."""
        image: Bytes = self.part(slice(index, index + 1))[0]
        return image

    def part(self, part: slice) -> Bytes:
        """Return consecutive images of one shape: (n, *shape)."""
        first, last, _ = part.indices(len(self))
        block: Bytes = self._flat[self._ends[first] : self._ends[last]]
        return block.reshape((last - first, *self.shapes[first]))


class TileFile:
    """Writes uint8 images by index, from several threads, and keeps none in memory.

    It uses plain writes, because the pages of a memory map would count as the memory of the
    process until the whole file is written.

    Args:
        path: the file to create.
        shapes: of every image, such as (bands, height, width).
        empty: the shape of an image, for a file without any.

    Raises:
        StorageError: if the disk has no room for it.
    """

    def __init__(self, path: Path, shapes: Sequence[Shape], empty: Shape = ()) -> None:
        self._offsets = [0, *accumulate(map(prod, shapes))]
        check_space(path.parent, self._offsets[-1], "the tiles")
        self._stream = path.open("wb")
        shape = array_shape(shapes, empty)
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._stream, header)
        self._stream.flush()
        self._start = self._stream.tell()
        self._stream.truncate(self._start + self._offsets[-1])

    def write(self, index: int, image: Bytes) -> None:
        """Write the image at `index`; several threads may call this at once."""
        view = np.ascontiguousarray(image).data.cast("B")
        offset = self._start + self._offsets[index]
        while view:
            written = os.pwrite(self._stream.fileno(), view, offset)
            view, offset = view[written:], offset + written

    def __enter__(self) -> "TileFile":
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self._stream.close()
