"""An `.npy` file of tiles that several threads fill at the places they are told."""

import os
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.disk.files import check_space


class TileFile:
    """Writes uint8 tiles by index, without keeping any in memory.

    Plain writes and no memory map: the pages of a map would count as the process's memory
    until the whole file is written.

    Args:
        path: the file to make.
        shape: (N, bands, height, width), or (N, height, width).

    Raises:
        StorageError: if the disk has no room for it.
    """

    def __init__(self, path: Path, shape: tuple[int, ...]) -> None:
        self.path, self.shape = path, shape
        size = prod(shape)
        check_space(path.parent, size, "the tiles")
        self._stream = path.open("wb")
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._stream, header)
        self._stream.flush()
        self._start = self._stream.tell()
        self._stream.truncate(self._start + size)

    def write(self, index: int, tile: NDArray[np.uint8]) -> None:
        """Put a tile at `index`; safe for threads."""
        view = np.ascontiguousarray(tile).data.cast("B")
        offset = self._start + index * prod(self.shape[1:])
        while view:
            written = os.pwrite(self._stream.fileno(), view, offset)
            view, offset = view[written:], offset + written

    def __enter__(self) -> "TileFile":
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self._stream.close()
