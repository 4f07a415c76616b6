"""Cutting scenes into tiles in row-major order; the last row and column are shifted back."""

import difflib
from collections import Counter
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from harness.disk.files import atomic_path, write_json
from harness.errors import HarnessError
from harness.pixels import IGNORE
from harness.scenes.scene import BANDS, SPLITS, Dataset, Extent, Scene, SceneSizes
from harness.terminal import progress
from harness.tiles.array_file import TileFile
from harness.tiles.statistics import TileStatistics
from harness.tiles.store import TileRow, write_manifest

MIN_SIDE = 41
"""Smallest tile side in pixels: the fourth scale of VIF needs it."""


@dataclass(frozen=True)
class Tiling:
    """Tile side and stride in pixels. A tile is never larger than the smallest scene."""

    size: int = 320
    stride: int = 320

    def __post_init__(self) -> None:
        """Raise HarnessError for a side below 41 or a stride below 1."""
        if self.size < MIN_SIDE:
            raise HarnessError(f"tiling: size is {self.size}, expected at least {MIN_SIDE}")
        if self.stride < 1:
            raise HarnessError(f"tiling: stride is {self.stride}, expected at least 1")

    def rule(self, shape: tuple[int, int]) -> str:
        """Describe how tiles of `shape` are laid out."""
        gaps = "; pixels between tiles are left out" if self.stride > min(shape) else ""
        return f"row-major; the last row and column end on the border{gaps}"


def offsets(length: int, size: int, stride: int) -> list[int]:
    """Return start positions that cover `length` pixels; the last tile ends on the border.

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
        place, size = f"scene {scene.name}", f"{scene.height}×{scene.width}"
        if names[scene.name] > 1:
            raise HarnessError(f"{place}: {names[scene.name]} scenes have this name; rename")
        if min(scene.height, scene.width) < MIN_SIDE:
            raise HarnessError(f"{place}: {size} pixels; both sides must be ≥ {MIN_SIDE}")
    height = min(tiling.size, *(scene.height for scene in scenes))
    width = min(tiling.size, *(scene.width for scene in scenes))
    return height, width


def plan(dataset: Dataset | SceneSizes, tiling: Tiling) -> dict[str, list[TileRow]]:
    """List the tiles of each split without reading a pixel."""
    height, width = tile_shape(dataset.scenes, tiling)
    rows: dict[str, list[TileRow]] = {split: [] for split in SPLITS}
    for scene in dataset.scenes:
        split = rows[scene.split]
        for row, y in enumerate(offsets(scene.height, height, tiling.stride)):
            for col, x in enumerate(offsets(scene.width, width, tiling.stride)):
                name = f"{scene.name}_r{row:02d}c{col:02d}"
                split.append(TileRow(scene.split, len(split), name, scene.name, row, col, y, x))
    return rows


def check_examples(
    dataset: Dataset | SceneSizes, tiling: Tiling, examples: Collection[str]
) -> None:
    """Refuse names that are not test tiles.

    Raises:
        HarnessError: naming the tile and the most similar one.
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

    `jobs` scenes are read at the same time, and one row of tiles of each is in memory. The result
    does not depend on their number.

    Raises:
        HarnessError: naming the scene, if it is too small, has the wrong bands, or holds a label
            that is not a class; or if the disk has no room.
    """
    shape = tile_shape(dataset.scenes, tiling)
    rows = plan(dataset, tiling)
    content = {}
    for split in SPLITS:
        with (
            atomic_path(folder / f"{split}.npy") as temporary,
            TileFile(temporary, (len(rows[split]), len(BANDS), *shape)) as file,
        ):
            content[split] = _write_split(file, dataset, rows[split], max(jobs, 1)).describe()
    write_manifest(folder / "manifest.csv", [row for split in SPLITS for row in rows[split]])
    description = {
        "title": dataset.title,
        "classes": dataset.classes,
        "palette": dataset.palette,
        "ignore": IGNORE,
        "bands": BANDS,
        "sources": dataset.sources,
        "notes": dataset.notes,
        "tiling": {
            "height": shape[0],
            "width": shape[1],
            "stride": tiling.stride,
            "rule": tiling.rule(shape),
        },
        "scenes": {s: sum(scene.split == s for scene in dataset.scenes) for s in SPLITS},
        "tiles": {split: len(rows[split]) for split in SPLITS},
        "content": content,
    }
    write_json(folder / "dataset.json", description)
    return [folder / name for name in ("train.npy", "test.npy", "manifest.csv", "dataset.json")]


def _write_split(
    file: TileFile, dataset: Dataset, rows: list[TileRow], jobs: int
) -> TileStatistics:
    scenes, classes = {scene.name: scene for scene in dataset.scenes}, len(dataset.classes)
    with ThreadPoolExecutor(jobs) as pool:
        parts = [
            pool.submit(_write_scene, file, scenes[name], list(part), classes)
            for name, part in groupby(rows, lambda row: row.scene)
        ]
        try:
            done = [part.result() for part in progress(parts, "tiling", unit="scene")]
        except BaseException:
            # After a failure, the scenes that have not begun need not be read.
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return TileStatistics.total(done, classes)


def _write_scene(file: TileFile, scene: Scene, rows: list[TileRow], classes: int) -> TileStatistics:
    """Read a scene by whole rows of tiles, so that no strip of its file is decoded twice."""
    _, _, height, width = file.shape
    statistics = []
    try:
        for y, row in groupby(rows, lambda tile: tile.y):
            strip = scene.read(y, 0, height, scene.width)
            expected = (len(BANDS), height, scene.width)
            if strip.dtype != np.uint8 or strip.shape != expected:
                raise HarnessError(
                    f"scene {scene.name}: {strip.dtype} {strip.shape} was read, "
                    f"expected uint8 {expected}"
                )
            for tile in row:
                pixels = np.ascontiguousarray(strip[:, :, tile.x : tile.x + width])
                statistics.append(TileStatistics.of(pixels, classes, f"tile {tile.tile}"))
                file.write(tile.index, pixels)
    finally:
        scene.close()
    return TileStatistics.total(statistics, classes)
