"""Cutting scenes into tiles: row-major, the last row and column shifted back."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.datasets.base import IGNORE, Dataset, Scene
from harness.errors import HarnessError
from harness.files import atomic_path, write_json
from harness.progress import progress
from harness.store import SPLITS, TileRow, write_manifest

MIN_SIDE = 41
"""Smallest tile side in pixels: the fourth scale of VIF needs it."""


@dataclass(frozen=True)
class Tiling:
    """Tile side and stride in pixels. A tile is never larger than the smallest scene."""

    size: int = 320
    stride: int = 320


def offsets(length: int, size: int, stride: int) -> list[int]:
    """Start positions that cover `length` pixels; the last tile ends on the border.

    Example:
        >>> offsets(1000, 320, 320)
        [0, 320, 640, 680]
    """
    regular = list(range(0, length - size + 1, stride))
    last = length - size
    return regular if regular[-1] == last else [*regular, last]


def tile_shape(scenes: tuple[Scene, ...], tiling: Tiling) -> tuple[int, int]:
    """Return the common (height, width) of all tiles.

    Raises:
        HarnessError: if a scene has a side below 41 pixels.
    """
    for scene in scenes:
        if min(scene.height, scene.width) < MIN_SIDE:
            size = f"{scene.height}×{scene.width}"
            raise HarnessError(f"scene {scene.name}: {size} pixels; both sides must be ≥ {MIN_SIDE}")
    height = min(tiling.size, *(scene.height for scene in scenes))
    width = min(tiling.size, *(scene.width for scene in scenes))
    return height, width


def plan(dataset: Dataset, tiling: Tiling) -> dict[str, list[TileRow]]:
    """List the tiles of every split without reading a pixel."""
    height, width = tile_shape(dataset.scenes, tiling)
    rows: dict[str, list[TileRow]] = {split: [] for split in SPLITS}
    for scene in dataset.scenes:
        split = rows[scene.split]
        for row, y in enumerate(offsets(scene.height, height, tiling.stride)):
            for col, x in enumerate(offsets(scene.width, width, tiling.stride)):
                name = f"{scene.name}_r{row:02d}c{col:02d}"
                split.append(TileRow(scene.split, len(split), name, scene.name, row, col, y, x))
    return rows


def write_store(dataset: Dataset, tiling: Tiling, folder: Path) -> list[Path]:
    """Write the tile store of a data set; return its files.

    Raises:
        HarnessError: for a scene that is too small, has the wrong bands, or a label outside
            the classes; the message names the scene.
    """
    shape = tile_shape(dataset.scenes, tiling)
    rows = plan(dataset, tiling)
    scenes = {scene.name: scene for scene in dataset.scenes}
    for split in SPLITS:
        with atomic_path(folder / f"{split}.npy") as temporary:
            _write_split(temporary, rows[split], scenes, shape, len(dataset.classes))
    write_manifest(folder / "manifest.csv", [row for split in SPLITS for row in rows[split]])
    _write_meta(folder / "dataset.json", dataset, tiling, shape, rows)
    return [folder / name for name in ("train.npy", "test.npy", "manifest.csv", "dataset.json")]


def _write_split(
    path: Path,
    rows: list[TileRow],
    scenes: dict[str, Scene],
    shape: tuple[int, int],
    classes: int,
) -> None:
    array_shape = (len(rows), 5, *shape)
    if not rows:
        # An empty array cannot be memory-mapped for writing.
        with path.open("wb") as stream:
            np.save(stream, np.empty(array_shape, np.uint8))
        return
    tiles = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=array_shape)
    for row, tile in _read_tiles(rows, scenes, shape):
        check_tile(tile, shape, classes, row.tile)
        tiles[row.index] = tile
    tiles.flush()


def _read_tiles(
    rows: list[TileRow], scenes: dict[str, Scene], shape: tuple[int, int]
) -> Iterator[tuple[TileRow, NDArray[np.uint8]]]:
    for row in progress(rows, f"tiling {rows[0].split}"):
        yield row, scenes[row.scene].read(row.y, row.x, *shape)


def check_tile(tile: NDArray[np.uint8], shape: tuple[int, int], classes: int, name: str) -> None:
    """Refuse a tile of the wrong form or with labels outside `range(classes)` and 255."""
    if tile.dtype != np.uint8 or tile.shape != (5, *shape):
        raise HarnessError(f"tile {name}: {tile.dtype} {tile.shape}, expected uint8 {(5, *shape)}")
    strange = np.setdiff1d(tile[4], [*range(classes), IGNORE])
    if strange.size:
        raise HarnessError(f"tile {name}: labels {strange.tolist()} of a set of {classes} classes")


def _write_meta(
    path: Path,
    dataset: Dataset,
    tiling: Tiling,
    shape: tuple[int, int],
    rows: dict[str, list[TileRow]],
) -> None:
    write_json(
        path,
        {
            "title": dataset.title,
            "classes": list(dataset.classes),
            "palette": [list(colour) for colour in dataset.palette],
            "ignore": IGNORE,
            "bands": ["red", "green", "blue", "infrared", "label"],
            "sources": list(dataset.sources),
            "notes": dataset.notes,
            "tiling": {
                "height": shape[0],
                "width": shape[1],
                "stride": tiling.stride,
                "rule": "row-major; the last row and column end on the border",
            },
            "scenes": {s: sum(scene.split == s for scene in dataset.scenes) for s in SPLITS},
            "tiles": {split: len(rows[split]) for split in SPLITS},
        },
    )
