"""What a data set adapter hands to the tiler: scenes that can be read by windows."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SPLITS = ("train", "test")
BANDS = ("red", "green", "blue", "infrared", "label")
"""Of every scene and tile, in this order."""
INFRARED, LABEL = BANDS.index("infrared"), BANDS.index("label")

ReadWindow = Callable[[int, int, int, int], NDArray[np.uint8]]


def _nothing() -> None:
    """Stand in for `close` where nothing is held open."""


@dataclass(frozen=True)
class Extent:
    """Name, split (`train` or `test`) and size in pixels of one registered picture."""

    name: str
    split: str
    height: int
    width: int


@dataclass(frozen=True)
class SceneSizes:
    """What is known of a data set without its pictures: enough to count its tiles."""

    scenes: tuple[Extent, ...]
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scene(Extent):
    """One registered picture that can be read.

    `read(y, x, height, width)` returns uint8 of shape (5, height, width): red, green, blue,
    infrared on the 0-255 scale, and the class index (`IGNORE` where there is none). One
    scene is read by one thread, several scenes may be read at once. `close()` gives back
    what reading holds (files, unpacked copies); a later `read` opens it again.
    """

    read: ReadWindow
    close: Callable[[], None] = _nothing


@dataclass(frozen=True)
class Dataset:
    """Scenes of both splits with what the label values mean.

    `palette[i]` is the display colour (R, G, B) of `classes[i]`. `sources` records where the
    pixels come from (one mapping a file: name, sha256, licence, ...). A data set without
    labels has no classes: methods that need labels to train refuse it.
    """

    title: str
    scenes: tuple[Scene, ...]
    classes: tuple[str, ...] = ()
    palette: tuple[tuple[int, int, int], ...] = ()
    sources: tuple[dict[str, Any], ...] = ()
    notes: str = ""
