"""Cutting scenes into tiles in row-major order; the last row and column are shifted back."""

import difflib
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import groupby
from math import prod
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

RULE = "row-major; the last row and column end on the border"
RULE_WHOLE = f"test images whole; training tiles {RULE}"
MIN_SIDE = 41
"""Smallest tile side in pixels: the fourth scale of VIF needs it."""


@dataclass(frozen=True)
class Tiling:
    """Tile side and stride in pixels; with `whole`, test images are measured whole."""

    size: int = 320
    stride: int = 320
    whole: bool = False

    def __post_init__(self) -> None:
        """Raise HarnessError for a side below 41 or a stride that would leave out pixels."""
        if self.size < MIN_SIDE:
            raise HarnessError(f"tiling: size is {self.size}, expected at least {MIN_SIDE}")
        if not 1 <= self.stride <= self.size:
            raise HarnessError(
                f"tiling: stride is {self.stride}, expected 1 to {self.size}, the size: a larger "
                "one would leave out the pixels between two tiles"
            )


def offsets(length: int, size: int, stride: int) -> list[int]:
    """Return start positions that cover `length` pixels; the last tile ends on the border.

    Example:
        >>> offsets(1000, 320, 320)
        [0, 320, 640, 680]
    """
    regular = list(range(0, length - size + 1, stride))
    last = length - size
    return regular if regular[-1] == last else [*regular, last]


def check_scenes(scenes: tuple[Extent, ...]) -> None:
    """Refuse scenes that cannot be cut.

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


def train_shape(scenes: tuple[Extent, ...], tiling: Tiling) -> tuple[int, int]:
    """Return the common (height, width) of all training tiles, as no scene is smaller.

    Without training scenes, it is what the test scenes would give.
    """
    cut = [scene for scene in scenes if scene.split == "train"] or scenes
    height = min(tiling.size, *(scene.height for scene in cut))
    return height, min(tiling.size, *(scene.width for scene in cut))


def plan(dataset: Dataset | SceneSizes, tiling: Tiling) -> dict[str, list[TileRow]]:
    """List the tiles of each split without reading a pixel.

    Training tiles have one size. Test tiles have the size of the tiling, or that of their scene
    where this is smaller.

    Raises:
        HarnessError: as `check_scenes`.
    """
    check_scenes(dataset.scenes)
    common = train_shape(dataset.scenes, tiling)
    rows: dict[str, list[TileRow]] = {split: [] for split in SPLITS}
    ends = dict.fromkeys(SPLITS, 0)
    for scene in dataset.scenes:
        split, known = scene.split, rows[scene.split]
        for name, row, col, y, x, *size in _cuts(scene, tiling, common):
            place = (row, col, y, x, size[0], size[1], ends[split])
            known.append(TileRow(split, len(known), name, scene.name, *place))
            ends[split] += len(BANDS) * prod(size)
    return rows


def _cuts(
    scene: Extent, tiling: Tiling, common: tuple[int, int]
) -> Iterator[tuple[str, int, int, int, int, int, int]]:
    """Yield name, row, column, y, x, height and width of the tiles of one scene."""
    if tiling.whole and scene.split == "test":
        yield scene.name, 0, 0, 0, 0, scene.height, scene.width
        return
    own = min(tiling.size, scene.height), min(tiling.size, scene.width)
    height, width = common if scene.split == "train" else own
    for row, y in enumerate(offsets(scene.height, height, min(tiling.stride, height))):
        for col, x in enumerate(offsets(scene.width, width, min(tiling.stride, width))):
            yield f"{scene.name}_r{row:02d}c{col:02d}", row, col, y, x, height, width


def coverage(scenes: Sequence[Extent], rows: Sequence[TileRow]) -> dict[str, float]:
    """Return the share of all pixels of the scenes that tiles cover, and cover more than once."""
    extents = {scene.name: scene for scene in scenes}
    total = covered = once = 0
    for name, group in groupby(rows, lambda row: row.scene):
        tiles, extent = list(group), extents[name]
        across, down = np.zeros(extent.width, np.int64), np.zeros(extent.height, np.int64)
        for x in {tile.x for tile in tiles}:
            across[x : x + tiles[0].width] += 1
        for y in {tile.y for tile in tiles}:
            down[y : y + tiles[0].height] += 1
        total += extent.height * extent.width
        covered += int((down > 0).sum() * (across > 0).sum())
        once += int((down == 1).sum() * (across == 1).sum())
    return {"covered": covered / max(total, 1), "more_than_once": (covered - once) / max(total, 1)}


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
                f"There are {len(known)}, such as {known[0]!r}"
            )


def write_store(dataset: Dataset, tiling: Tiling, folder: Path, *, jobs: int = 1) -> list[Path]:
    """Write the tile store of a data set; return its files.

    `jobs` scenes are read at the same time, and one row of tiles of each is in memory. The result
    does not depend on their number.

    Raises:
        HarnessError: naming the scene, if it is too small, has the wrong bands, or holds a label
            that is not a class; or if the disk has no room.
    """
    rows = plan(dataset, tiling)
    empty = (len(BANDS), *train_shape(dataset.scenes, tiling))
    content = {}
    for split in SPLITS:
        with (
            atomic_path(folder / f"{split}.npy") as temporary,
            TileFile(temporary, [(len(BANDS), *row.size) for row in rows[split]], empty) as file,
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
            **asdict(tiling),
            "rule": RULE_WHOLE if tiling.whole else RULE,
            "sizes": {split: _sizes(rows[split]) for split in SPLITS},
            "coverage": {
                split: coverage([s for s in dataset.scenes if s.split == split], rows[split])
                for split in SPLITS
            },
        },
        "scenes": {s: sum(scene.split == s for scene in dataset.scenes) for s in SPLITS},
        "tiles": {split: len(rows[split]) for split in SPLITS},
        "content": content,
    }
    write_json(folder / "dataset.json", description)
    return [folder / name for name in ("train.npy", "test.npy", "manifest.csv", "dataset.json")]


def _sizes(rows: list[TileRow]) -> str:
    """Put the sizes of tiles into words, height × width, the smallest and the largest of many."""
    sizes = sorted({row.size for row in rows}, key=lambda size: (prod(size), size))
    words = ["×".join(map(str, size)) for size in sizes]
    return f"{len(words)} sizes, {words[0]} to {words[-1]}" if len(words) > 1 else "".join(words)


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
    statistics = []
    try:
        for (y, height), row in groupby(rows, lambda tile: (tile.y, tile.height)):
            strip = scene.read(y, 0, height, scene.width)
            expected = (len(BANDS), height, scene.width)
            if strip.dtype != np.uint8 or strip.shape != expected:
                raise HarnessError(
                    f"scene {scene.name}: {strip.dtype} {strip.shape} was read, "
                    f"expected uint8 {expected}"
                )
            for tile in row:
                pixels = np.ascontiguousarray(strip[:, :, tile.x : tile.x + tile.width])
                statistics.append(TileStatistics.of(pixels, classes, f"tile {tile.tile}"))
                file.write(tile.index, pixels)
    finally:
        scene.close()
    return TileStatistics.total(statistics, classes)
