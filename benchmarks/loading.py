"""Random tile reads from the store against PNG files: `python -m benchmarks.loading`.

The same tiles lie in a store and in PNG files (visible, infrared and label, as most published
code keeps them). Both are read in the same random order, after a first pass that brings them
into the page cache.
"""

import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks import made_up_images
from harness.scenes.scene import Dataset, Scene
from harness.tiles.cutting import Tiling, write_store
from harness.tiles.store import TileStore

SIDE = 320 * 16
CLASSES = 6


def make(folder):
    """Write a store of 256 tiles, and the same tiles as PNG files."""
    rng = np.random.default_rng(0)
    labels = made_up_images.code_labels(rng, (SIDE, SIDE)) // 10 % CLASSES
    bands = np.concatenate([made_up_images.aerial_image(rng, 4, (SIDE, SIDE)), labels])

    def read(y, x, height, width):
        return bands[:, y : y + height, x : x + width]

    scene = Scene("scene", "test", SIDE, SIDE, read)
    names = tuple(map(str, range(CLASSES)))
    write_store(Dataset("benchmark", (scene,), names, ((0, 0, 0),) * CLASSES), Tiling(), folder)
    tiles = TileStore(folder).tiles("test")
    for index, tile in enumerate(tiles):
        Image.fromarray(np.moveaxis(tile[:3], 0, 2)).save(folder / f"{index}_rgb.png")
        Image.fromarray(tile[3]).save(folder / f"{index}_ir.png")
        Image.fromarray(tile[4]).save(folder / f"{index}_seg.png")
    return tiles


def from_store(tiles, _folder, index):
    """Copy one tile out of the memory map."""
    return np.array(tiles[index])


def from_png(_tiles, folder, index):
    """Decode the three files of one tile."""
    parts = []
    for kind in ("rgb", "ir", "seg"):
        with Image.open(folder / f"{index}_{kind}.png") as file:
            image = np.asarray(file)
        parts.append(image[None] if image.ndim == 2 else np.moveaxis(image, 2, 0))
    return np.concatenate(parts)


def milliseconds(read, tiles, folder):
    """Return the time per tile: the least of three passes in random order."""
    order = np.random.default_rng(1).permutation(len(tiles))
    passes = []
    for _ in range(4):
        start = time.perf_counter()
        for index in order:
            read(tiles, folder, index)
        passes.append(time.perf_counter() - start)
    return min(passes[1:]) / len(tiles) * 1e3


def main():
    """Check that both return the same pixels, and print the times."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tiles = make(folder)
        assert np.array_equal(from_store(tiles, folder, 7), from_png(tiles, folder, 7))
        store, png = (milliseconds(read, tiles, folder) for read in (from_store, from_png))
    print(f"{len(tiles)} tiles: store {store:.3f} ms, PNG {png:.3f} ms, {png / store:.0f} times")


if __name__ == "__main__":
    main()
