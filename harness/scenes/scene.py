"""What a data set adapter returns: scenes that can be read by windows."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SPLITS = ("train", "test")
BANDS = ("red", "green", "blue", "infrared", "label")
"""Bands of every scene and tile, in this order."""
INFRARED, LABEL = BANDS.index("infrared"), BANDS.index("label")

ReadWindow = Callable[[int, int, int, int], NDArray[np.uint8]]


@dataclass(frozen=True)
class Extent:
    """Name, split (`train` or `test`) and size in pixels of one scene."""

    name: str
    split: str
    height: int
    width: int


@dataclass(frozen=True)
class SceneSizes:
    """What is known about a data set without its images: enough to count its tiles."""

    scenes: tuple[Extent, ...]
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scene(Extent):
    """One set of registered images that can be read.

    `read(y, x, height, width)` returns uint8 of shape (5, height, width): red, green, blue,
    infrared on the 0-255 scale, and the class index (`IGNORE` where there is none). Only one
    thread reads a scene, but several scenes may be read at once. `close()` frees files and
    unpacked copies that `read` keeps; a later `read` opens them again.
    """

    read: ReadWindow
    close: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Dataset:
    """Scenes of both splits with what the label values mean.

    `palette[i]` is the display colour (R, G, B) of `classes[i]`. `sources` records where the
    pixels come from (one mapping per file: name, sha256, licence, ...). A data set without
    labels has no classes: methods that need labels to train refuse it.
    """

    title: str
    scenes: tuple[Scene, ...]
    classes: tuple[str, ...] = ()
    palette: tuple[tuple[int, int, int], ...] = ()
    sources: tuple[dict[str, Any], ...] = ()
    notes: str = ""
