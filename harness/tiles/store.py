"""The tile store: memory-mapped arrays that every later stage reads."""

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from io import StringIO
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.disk.code import DIGITS
from harness.disk.files import (
    atomic_path,
    read_json,
    require_regular,
    sha256_json,
    write_text,
)
from harness.disk.identity import content_of
from harness.disk.records import check_artefact, read_record
from harness.errors import HarnessError
from harness.scenes.scene import BANDS, INFRARED, LABEL
from harness.tiles.array_file import Bytes, Images, array_shape
from metrics.images import luma
from metrics.texts import csv_cell, from_csv_cell

USUAL_PIXELS = 320 * 320
"""Pixels of a tile of the usual size; of larger ones, fewer are fused or measured at a time."""
ROUNDED = "rounded.npy"
"""File beside the raw stack: some of its images, rounded to 8 bits where the stack is truncated."""
ROUNDED_TILES = 32
"""Number of images in it, evenly spread: as many as the protocol audit measures."""
INVENTORY = "sources.json"
"""State and hash of each file of the user that a store was cut from."""
RECORD = "prepare.json"
"""Record of the stage that wrote a store; if it is present, every file is checked against it."""


@dataclass(frozen=True)
class TileRow:
    """One line of `manifest.csv`: where a tile was cut (pixels from the upper left).

    height, width: of the tile, pixels. offset: of its first byte in the array of its split.
    """

    split: str
    index: int
    tile: str
    scene: str
    row: int
    col: int
    y: int
    x: int
    height: int
    width: int
    offset: int

    @property
    def size(self) -> tuple[int, int]:
        """Height and width, pixels."""
        return self.height, self.width


def write_manifest(path: Path, rows: Iterable[TileRow]) -> None:
    """Write the manifest atomically: one row per tile, in the order of the arrays."""
    text = StringIO()
    writer = csv.DictWriter(text, list(TileRow.__annotations__), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        names = {"tile": csv_cell(row.tile), "scene": csv_cell(row.scene)}
        writer.writerow({**asdict(row), **names})
    write_text(path, text.getvalue())


class TileStore:
    """Gives read access to the tiles of one data set.

    Raises:
        HarnessError: if a file is missing or unreadable, or the files do not fit each other.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        path = folder / RECORD
        self._record = read_record(path) if path.exists() else None
        self.meta = self._read_meta()
        self._rows = self._read_manifest()

    def _checked(self, name: str) -> Path:
        path = self.folder / name
        if self._record is not None:
            check_artefact(self._record, path)
        return path

    def _read_meta(self) -> dict[str, Any]:
        path = self._checked("dataset.json")
        meta = read_json(path)
        if not isinstance(meta, dict) or not isinstance(meta.get("classes"), list):
            raise HarnessError(f"{path}: is not the description of a tile store; prepare again")
        return meta

    def _read_manifest(self) -> list[TileRow]:
        path = self._checked("manifest.csv")
        try:
            with path.open(encoding="utf-8", newline="") as stream:
                kinds = {**TileRow.__annotations__, "tile": from_csv_cell, "scene": from_csv_cell}
                return [
                    TileRow(**{key: kind(line[key]) for key, kind in kinds.items()})
                    for line in csv.DictReader(stream)
                ]
        except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
            raise HarnessError(
                f"{path}: is not a manifest of tiles: {error!r}; prepare again"
            ) from error

    @property
    def content(self) -> str:
        """Short name of everything in the store; of its description where it has no record."""
        if self._record is not None:
            return content_of(self._record)
        return sha256_json([self.meta, [asdict(row) for row in self._rows]])[:DIGITS]

    @property
    def classes(self) -> list[str]:
        """Class names; empty if the data set has no labels."""
        return list(self.meta["classes"])

    def rows(self, split: str) -> list[TileRow]:
        """Manifest rows of one split, in array order."""
        return [row for row in self._rows if row.split == split]

    def names(self, split: str) -> list[str]:
        """Tile names of one split, in array order."""
        return [row.tile for row in self.rows(split)]

    def sizes(self, split: str) -> list[tuple[int, int]]:
        """Height and width of every tile of one split, in array order."""
        return [row.size for row in self.rows(split)]

    def tiles(self, split: str) -> NDArray[np.uint8]:
        """Memory-map one split: (N, 5, H, W) uint8; red, green, blue, infrared, label.

        Tiles of several sizes lie one after the other: (M,), which `pairs` takes apart.

        Raises:
            HarnessError: naming the file, if it is damaged or differs from the manifest.
        """
        path = self._checked(f"{split}.npy")
        array = map_array(path)
        sizes = self.sizes(split)
        expected = array_shape([(len(BANDS), *size) for size in sizes], array.shape[1:])
        if array.dtype != np.uint8 or array.shape != expected:
            raise HarnessError(
                f"{path}: {array.dtype} {array.shape}, but the manifest lists {len(sizes)} tiles "
                f"of {len(BANDS)} uint8 bands, {expected}; delete the store and prepare again"
            )
        return array

    def pairs(self, split: str) -> "Pairs":
        """Return the pairs of one split."""
        return Pairs(self.tiles(split), self.sizes(split))

    def changed_since(self, before: dict[str, tuple[int, int]]) -> list[str]:
        """Return the names of files whose size or time differs from an earlier `state`."""
        now = self.state()
        return sorted(name for name in before.keys() | now if before.get(name) != now.get(name))

    def state(self) -> dict[str, tuple[int, int]]:
        """Return size (bytes) and time of change (ns) of every file of the store."""
        # A comparison of the images may write the inventory at any time.
        found = (path for path in self.folder.iterdir() if INVENTORY not in path.name)
        files = sorted(path for path in found if path.is_file())
        return {path.name: (path.stat().st_size, path.stat().st_mtime_ns) for path in files}

    @cached_property
    def test(self) -> "Pairs":
        """The pairs that methods are measured on."""
        return self.pairs("test")


class Pairs:
    """Gives the tiles of a split as the two inputs of fusion.

    Args:
        tiles: (N, 5, H, W) uint8, or (M,) if the sizes differ.
        sizes: height and width of every tile; without it, those of the array.
    """

    def __init__(self, tiles: Bytes, sizes: Sequence[tuple[int, int]] | None = None) -> None:
        height, width = tiles.shape[2:] if sizes is None else (0, 0)
        self.tiles = tiles
        self.sizes = [(height, width)] * len(tiles) if sizes is None else list(sizes)
        self._images = Images(tiles, [(len(BANDS), *size) for size in self.sizes])

    def __len__(self) -> int:
        return len(self.sizes)

    @property
    def largest(self) -> tuple[int, int]:
        """Height and width of the tile with the most pixels; (0, 0) without any."""
        return max(self.sizes, key=math.prod, default=(0, 0))

    def parts(self, count: int) -> list[slice]:
        """Return slices that together cover all tiles: neighbours of one size, up to `count`.

        Large tiles come in smaller parts, but at least in pairs, so that memory stays bounded.
        """
        parts = []
        for size, run in groupby(range(len(self)), lambda index: self.sizes[index]):
            indices = list(run)
            step = min(count, max(count * USUAL_PIXELS // math.prod(size) // 2 * 2, 2))
            starts = range(indices[0], indices[-1] + 1, step)
            parts += [slice(start, min(start + step, indices[-1] + 1)) for start in starts]
        return parts

    def pixels(self, part: slice) -> Bytes:
        """Return all bands of tiles of one size (n, 5, H, W), uint8."""
        return self._images.part(part)

    def rgb(self, part: slice) -> Bytes:
        """Return visible images of one size (n, 3, H, W), uint8."""
        return self.pixels(part)[:, :3]

    def infrared(self, part: slice) -> Bytes:
        """Return infrared images of one size (n, H, W), uint8."""
        return self.pixels(part)[:, INFRARED]

    def visible(self, part: slice) -> Bytes:
        """Return the BT.601 luma of the visible images of one size (n, H, W), uint8."""
        return luma(self.rgb(part))

    def labels(self, part: slice) -> Bytes:
        """Return labels of one size (n, H, W), uint8; `harness.pixels.IGNORE` is no class."""
        return self.pixels(part)[:, LABEL]


def evenly(count: int, limit: int) -> list[int]:
    """Return at most `limit` indices below `count`, evenly spread."""
    return [int(i) for i in np.unique(np.linspace(0, count - 1, min(count, limit)).round())]


def map_array(path: Path) -> NDArray[Any]:
    """Memory-map an `.npy` file for reading.

    Raises:
        HarnessError: naming the file, if it is not an array, is cut short, or holds objects.
    """
    try:
        require_regular(path)
        # `np.load` would also open archives of arrays.
        array: NDArray[Any] = np.lib.format.open_memmap(path, mode="r")
    except HarnessError:
        raise
    except Exception as error:
        # Part of a header is Python source; numpy raises many error types for a broken one.
        raise HarnessError(f"{path}: not a readable array: {error!r}") from error
    return array


def write_empty_stack(path: Path, pairs: Pairs) -> None:
    """Write the fused stack of a run that failed, which holds no image."""
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        np.save(stream, np.empty((0, *pairs.largest), np.uint8))


def read_fused(path: Path, record: Mapping[str, Any], sizes: Sequence[tuple[int, int]]) -> Images:
    """Memory-map a fused stack after checking it against its record.

    Args:
        path: the stack.
        record: the record of the stage that wrote it.
        sizes: height and width of every image that it must hold.

    Returns:
        The fused images, (H, W) each, or (3, H, W) where colours are measured by channel.

    Raises:
        HarnessError: naming the file, if it is missing, damaged, or is not such a stack.
    """
    check_artefact(record, path)
    stack = map_array(path)
    planes = 3 if stack.size == 3 * sum(map(math.prod, sizes)) and sizes else 1
    shapes = [size if planes == 1 else (planes, *size) for size in sizes]
    expected = array_shape(shapes, stack.shape[1:])
    if stack.dtype != np.uint8 or stack.shape != expected:
        raise HarnessError(
            f"{path}: {stack.dtype} {stack.shape}, expected uint8 {expected} for {len(sizes)} "
            "tiles; delete it and rerun"
        )
    return Images(stack, shapes)
