"""Cutting scenes into tiles: row-major, the last row and column shifted back."""

import difflib
from collections import Counter
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.disk.files import atomic_path, write_json
from harness.errors import HarnessError
from harness.pixels import IGNORE
from harness.scenes.scene import BANDS, SPLITS, Dataset, Extent, Layout, Scene
from harness.terminal import progress
from harness.tiles.array_file import TileFile
from harness.tiles.statistics import Tally
from harness.tiles.store import TileRow, write_manifest

MIN_SIDE = 41
"""Smallest tile side in pixels: the fourth scale of VIF needs it."""


@dataclass(frozen=True)
class Tiling:
    """Tile side and stride in pixels. A tile is never larger than the smallest scene.

    Raises:
        HarnessError: for a side below 41 or a stride below 1.
    """

    size: int = 320
    stride: int = 320

    def __post_init__(self) -> None:
        """Refuse what cannot be cut."""
        if self.size < MIN_SIDE:
            raise HarnessError(f"tiling: size is {self.size}, expected at least {MIN_SIDE}")
        if self.stride < 1:
            raise HarnessError(f"tiling: stride is {self.stride}, expected at least 1")

    def rule(self, shape: tuple[int, int]) -> str:
        """Say in words how tiles of `shape` are laid out."""
        gaps = "; pixels between tiles are left out" if self.stride > min(shape) else ""
        return f"row-major; the last row and column end on the border{gaps}"


def offsets(length: int, size: int, stride: int) -> list[int]:
    """Start positions that cover `length` pixels; the last tile ends on the border.

    Example:
        >>> offsets(1000, 320, 320)
        [0, 320, 640, 680]
    """
    regular = list(range(0, length - size + 1, stride))
    last = length - size
    return regular if regular[-1] == last else [*regular, last]


def tile_shape(scenes: tuple[Extent, ...], tiling: Tiling) -> tuple[int, int]:
    """Return the common (height, width) of all tiles.

    Raises:
        HarnessError: if there is no scene, two have one name, or one has a side below 41 pixels.
    """
    if not scenes:
        raise HarnessError("the data set has no scenes; there is nothing to cut")
    names = Counter(scene.name for scene in scenes)
    for scene in scenes:
        if names[scene.name] > 1:
            raise HarnessError(
                f"scene {scene.name}: {names[scene.name]} scenes have this name; rename"
            )
        if min(scene.height, scene.width) < MIN_SIDE:
            size = f"{scene.height}×{scene.width}"
            raise HarnessError(
                f"scene {scene.name}: {size} pixels; both sides must be ≥ {MIN_SIDE}"
            )
    height = min(tiling.size, *(scene.height for scene in scenes))
    width = min(tiling.size, *(scene.width for scene in scenes))
    return height, width


def plan(dataset: Dataset | Layout, tiling: Tiling) -> dict[str, list[TileRow]]:
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


def check_examples(dataset: Dataset | Layout, tiling: Tiling, examples: Collection[str]) -> None:
    """Refuse names that are no test tiles.

    Raises:
        HarnessError: naming the tile and the nearest one that there is.
    """
    known = [row.tile for row in plan(dataset, tiling)["test"]] if examples else []
    for name in examples:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1, 0) or known[:1]
            raise HarnessError(
                f"examples: no test tile {name!r}; did you mean {', '.join(near)!r}? "
                f"There are {len(known)}, named as SCENE_rROWcCOLUMN"
            )


def write_store(dataset: Dataset, tiling: Tiling, folder: Path, *, jobs: int = 1) -> list[Path]:
    """Write the tile store of a data set; return its files.

    A job holds one row of tiles at a time, and the result does not depend on how many jobs
    there are.

    Args:
        dataset: the scenes.
        tiling: tile side and stride.
        folder: where the store goes.
        jobs: scenes that are read at the same time.

    Raises:
        HarnessError: for a scene that is too small, has the wrong bands, or a label outside
            the classes, naming the scene; or if the disk has no room.
    """
    shape = tile_shape(dataset.scenes, tiling)
    rows = plan(dataset, tiling)
    tallies = {}
    for split in SPLITS:
        with atomic_path(folder / f"{split}.npy") as temporary:
            tallies[split] = _write_split(temporary, rows[split], dataset, shape, jobs)
    write_manifest(folder / "manifest.csv", [row for split in SPLITS for row in rows[split]])
    _write_meta(folder / "dataset.json", dataset, tiling, shape, rows, tallies)
    return [folder / name for name in ("train.npy", "test.npy", "manifest.csv", "dataset.json")]


def _write_split(
    path: Path, rows: list[TileRow], dataset: Dataset, shape: tuple[int, int], jobs: int
) -> Tally:
    scenes = {scene.name: scene for scene in dataset.scenes}
    classes = len(dataset.classes)
    with (
        TileFile(path, (len(rows), len(BANDS), *shape)) as file,
        ThreadPoolExecutor(max(jobs, 1)) as pool,
    ):
        parts = [
            pool.submit(_write_scene, file, scenes[name], list(part), classes)
            for name, part in groupby(rows, lambda row: row.scene)
        ]
        try:
            done = [part.result() for part in progress(parts, "tiling", unit="scene")]
        except BaseException:
            # The scenes that have not begun need not be read any more.
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return Tally.total(done, classes)


def _write_scene(file: TileFile, scene: Scene, rows: list[TileRow], classes: int) -> Tally:
    """Read a scene by whole rows of tiles, so that no strip of its file is decoded often."""
    _, _, height, width = file.shape
    tallies = []
    try:
        for y, row in groupby(rows, lambda tile: tile.y):
            strip = _read_strip(scene, y, height)
            for tile in row:
                pixels = np.ascontiguousarray(strip[:, :, tile.x : tile.x + width])
                tallies.append(Tally.of(pixels, classes, f"tile {tile.tile}"))
                file.write(tile.index, pixels)
    finally:
        scene.close()
    return Tally.total(tallies, classes)


def _read_strip(scene: Scene, y: int, height: int) -> NDArray[np.uint8]:
    strip = scene.read(y, 0, height, scene.width)
    expected = (len(BANDS), height, scene.width)
    if strip.dtype != np.uint8 or strip.shape != expected:
        raise HarnessError(
            f"scene {scene.name}: {strip.dtype} {strip.shape} read, expected uint8 {expected}"
        )
    return strip


def _write_meta(
    path: Path,
    dataset: Dataset,
    tiling: Tiling,
    shape: tuple[int, int],
    rows: dict[str, list[TileRow]],
    tallies: dict[str, Tally],
) -> None:
    write_json(
        path,
        {
            "title": dataset.title,
            "classes": list(dataset.classes),
            "palette": [list(colour) for colour in dataset.palette],
            "ignore": IGNORE,
            "bands": list(BANDS),
            "sources": list(dataset.sources),
            "notes": dataset.notes,
            "tiling": {
                "height": shape[0],
                "width": shape[1],
                "stride": tiling.stride,
                "rule": tiling.rule(shape),
            },
            "scenes": {s: sum(scene.split == s for scene in dataset.scenes) for s in SPLITS},
            "tiles": {split: len(rows[split]) for split in SPLITS},
            "content": {split: tallies[split].describe() for split in SPLITS},
        },
    )
