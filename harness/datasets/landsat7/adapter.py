"""The real image in the repository: Landsat-7, Great Salt Lake, with *derived* classes.

The pixels are real. The classes were not observed: they are thresholds on band indices.
`README.md` is the data card.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.disk.schema import check
from harness.scenes.options import NoOptions
from harness.scenes.raster import Member, Raster
from harness.scenes.scene import Dataset, Scene
from harness.scenes.shipped import check_shipped

IMAGE = Path(__file__).parent / "landsat7_great_salt_lake.tif"
SHA256 = "fabb77846d9c1f44d65f258c5445308c5ac210f5592b3b196fcdfd72c5756a26"
DATA_FILES = (IMAGE,)

SIZE = (1482, 1489)
PARTS = (("north", "train", 0, 640), ("middle", "test", 640, 960), ("south", "train", 960, 1482))
"""Name, split, first row and end row of strips across the image that do not overlap."""

WATER_MNDWI = 0.2
VEGETATION_NDVI = 0.15
BRIGHT_MEAN = 75.0
CLASSES = ("water (derived)", "vegetation (derived)", "bright ground (derived)", "rest (derived)")
PALETTE = ((40, 90, 200), (60, 140, 50), (235, 225, 195), (150, 115, 80))


def check_options(options: Mapping[str, Any]) -> None:
    """Refuse every option."""
    check(NoOptions, dict(options), "landsat7")


def open_dataset(options: Mapping[str, Any]) -> Dataset:
    """Return three scenes of the image: two to train on, and one between them to test on.

    Raises:
        HarnessError: for any option, or if the image is missing or has another hash.
    """
    check_options(options)
    check_shipped(IMAGE, SHA256)
    return Dataset(
        title="Landsat-7, Great Salt Lake",
        scenes=tuple(_scene(*part) for part in PARTS),
        classes=CLASSES,
        palette=PALETTE,
        sources=(
            {
                "name": IMAGE.name,
                "sha256": SHA256,
                "bytes": IMAGE.stat().st_size,
                "licence": "public domain (U.S. Geological Survey, NASA)",
                "citation": "Landsat-7 image courtesy of the U.S. Geological Survey",
            },
        ),
        notes=(
            "Real pixels; the classes are derived from band indices (water MNDWI > "
            f"{WATER_MNDWI}, vegetation NDVI > {VEGETATION_NDVI}, bright ground mean of RGB > "
            f"{BRIGHT_MEAN:g}), never observed. Demonstration data."
        ),
    )


def _scene(name: str, split: str, first: int, end: int) -> Scene:
    raster = Raster(Member(IMAGE.name, IMAGE))

    def read(y: int, x: int, height: int, width: int) -> NDArray[np.uint8]:
        bands = raster.read(first + y, x, height, width, range(5))
        return np.concatenate([bands[:4], derive_classes(bands)[None]])

    return Scene(name, split, end - first, SIZE[1], read, raster.close)


def derive_classes(bands: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return indices into `CLASSES` from red, green, blue, near and short-wave infrared.

    Water first (MNDWI: green against short-wave infrared), then vegetation (NDVI: near
    infrared against red), then bright ground (mean of the visible bands), else the rest. The
    thresholds are ours; the data card says why these classes do not measure segmentation.

    Args:
        bands: (5, H, W) digital numbers.

    Returns:
        (H, W) uint8.
    """
    red, green, blue, near, short = bands.astype(np.float32)
    water = _index(green, short) > WATER_MNDWI
    vegetation = _index(near, red) > VEGETATION_NDVI
    bright = (red + green + blue) / 3 > BRIGHT_MEAN
    return np.select([water, vegetation, bright], [0, 1, 2], 3).astype(np.uint8)


def _index(high: NDArray[np.float32], low: NDArray[np.float32]) -> NDArray[np.float32]:
    total = high + low
    index = np.zeros_like(total)
    np.divide(high - low, total, out=index, where=total > 0)
    return index
