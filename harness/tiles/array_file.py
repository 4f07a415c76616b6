"""An `.npy` file of tiles that several threads fill, each tile at its own index."""

import os
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.disk.files import check_space


class TileFile:
    """Writes uint8 tiles by index and keeps none in memory.

    It uses plain writes, because the pages of a memory map would count as the memory of the
    process until the whole file is written.

    Args:
        path: the file to create.
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
        """Write a tile at `index`; several threads may call this at once."""
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
