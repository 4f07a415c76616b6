"""The tile store: what every later stage reads, as memory-mapped arrays."""

import csv
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cached_property
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.colour import luma
from harness.errors import HarnessError
from harness.files import write_text

SPLITS = ("train", "test")
INFRARED, LABEL = 3, 4


@dataclass(frozen=True)
class TileRow:
    """One line of `manifest.csv`: where a tile was cut (pixels from the upper left)."""

    split: str
    index: int
    tile: str
    scene: str
    row: int
    col: int
    y: int
    x: int


def write_manifest(path: Path, rows: Iterable[TileRow]) -> None:
    """Write the manifest atomically, one row a tile in the order of the arrays."""
    text = StringIO()
    writer = csv.DictWriter(text, list(TileRow.__annotations__), lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    write_text(path, text.getvalue())


class TileStore:
    """Read access to one data set's tiles.

    Raises:
        HarnessError: if a file is missing, unreadable, or the parts disagree.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.meta = self._read_meta()
        self._rows = self._read_manifest()

    def _read_meta(self) -> dict[str, Any]:
        path = self.folder / "dataset.json"
        try:
            return dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise HarnessError(f"{path}: not a tile store: {error}") from error

    def _read_manifest(self) -> list[TileRow]:
        path = self.folder / "manifest.csv"
        try:
            with path.open(encoding="utf-8", newline="") as stream:
                return [_tile_row(line) for line in csv.DictReader(stream)]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise HarnessError(f"{path}: not a manifest of tiles: {error!r}") from error

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

    def tiles(self, split: str) -> NDArray[np.uint8]:
        """Memory-map one split: (N, 5, H, W) uint8, R, G, B, infrared, label."""
        path = self.folder / f"{split}.npy"
        try:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise HarnessError(f"{path}: not a readable array: {error}") from error
        expected = len(self.rows(split))
        tiles: NDArray[np.uint8] = array
        if array.dtype != np.uint8 or array.ndim != 4 or array.shape[:2] != (expected, 5):
            raise HarnessError(
                f"{path}: {array.dtype} {array.shape}, but the manifest lists {expected} tiles "
                "of 5 uint8 bands; delete the store and prepare again"
            )
        return tiles

    @cached_property
    def test(self) -> "Pairs":
        """The pairs that methods are measured on."""
        return Pairs(self.tiles("test"))


class Pairs:
    """Views of a split as the two sources of fusion."""

    def __init__(self, tiles: NDArray[np.uint8]) -> None:
        self.tiles = tiles

    def __len__(self) -> int:
        return len(self.tiles)

    def rgb(self, part: slice) -> NDArray[np.uint8]:
        """Visible pictures (n, 3, H, W)."""
        return np.asarray(self.tiles[part, :3])

    def infrared(self, part: slice) -> NDArray[np.uint8]:
        """Infrared pictures (n, H, W)."""
        return np.asarray(self.tiles[part, INFRARED])

    def visible(self, part: slice) -> NDArray[np.uint8]:
        """BT.601 luma of the visible pictures (n, H, W)."""
        return luma(self.rgb(part))


def _tile_row(line: dict[str, str]) -> TileRow:
    text = {key: line[key] for key in ("split", "tile", "scene")}
    number = {key: int(line[key]) for key in ("index", "row", "col", "y", "x")}
    return TileRow(**text, **number)  # type: ignore[arg-type]
