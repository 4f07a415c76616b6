"""WHU-OPT-SAR: 5 m satellite images of Hubei with near infrared and seven land-use classes.

Sheets are 5556 or 5555 pixels wide; labels are multiples of ten, 0 being background.
"""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from harness.datasets.whu_opt_sar.classes import CLASSES, CODES, COLOURS, IGNORE
from harness.disk.schema import Items, check
from harness.errors import HarnessError
from harness.fetching.registry import dataset_sources
from harness.fetching.source import ExternalFile
from harness.scenes.archived import FetchedOptions, LabelledImage, gather
from harness.scenes.labels import LabelEncoding
from harness.scenes.raster import Member, Raster, read_header
from harness.scenes.scene import Dataset, SceneSizes
from harness.scenes.splits import read_split, split_file
from harness.terminal import progress

SOURCES = "whu_opt_sar"
FOLDERS = ("optical", "lbl")
"""Folders of the images and the labels of a sheet, whose files have the same name."""
ARCHIVES = ("optical.zip", "lbl.zip", "whu-opt-sar.zip")
"""Archives that some people have; the data set itself is shared as single files."""
DATA_FILES = (split_file("whu_opt_sar"),)

BACKGROUND = "background"
FLAGGED = frozenset(row["scene"] for row in read_split("whu_opt_sar") if row["flagged"])
"""Sheets whose labels are reported to contradict the image; docs/datasets.md says by whom."""
SAMPLE = 512
"""Percentiles are taken from at most this number of rows and of columns."""


class Options(FetchedOptions):
    """What can be chosen.

    Scenes have names such as NH49E001013. `rgb_bands` and `infrared_band` count from 0;
    public readers disagree on the order of the first three. `background` makes label 0 a
    class of its own instead of ignoring it. `percentiles` bound the range that images of 16
    bits are scaled from, sheet by sheet. `flagged_sheets` says what becomes of training sheets
    whose labels a user of the data set reported as wrong.
    """

    DATASET = "whu_opt_sar"
    SIZE = (3704, 5556)  # Narrower sheets give the same number of tiles.

    rgb_bands: Items[int] = (0, 1, 2)
    infrared_band: int = 3
    background: bool = False
    percentiles: Items[float] = (2.0, 98.0)
    flagged_sheets: Literal["keep", "drop_from_training"] = "keep"

    def split(self) -> list[tuple[str, str]]:
        """Return (scene, split) pairs, without flagged training sheets if they are dropped."""
        return [
            (name, part)
            for name, part in super().split()
            if self.flagged_sheets == "keep" or part == "test" or name not in FLAGGED
        ]

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes that labels are read as."""
        return (BACKGROUND, *CLASSES) if self.background else CLASSES

    @property
    def bands(self) -> tuple[int, ...]:
        """Red, green, blue and infrared, as bands of the file."""
        return (*self.rgb_bands, self.infrared_band)


def check_options(options: Mapping[str, Any]) -> Options:
    """Check the options without opening an image."""
    chosen: Options = check(Options, dict(options), "whu_opt_sar")
    chosen.check()
    if len(set(chosen.bands)) != 4 or min(chosen.bands) < 0:
        raise HarnessError(
            f"whu_opt_sar: rgb_bands {chosen.rgb_bands} and infrared_band "
            f"{chosen.infrared_band} must be four different band numbers, from 0"
        )
    limits = chosen.percentiles
    if len(limits) != 2 or not 0 <= limits[0] < limits[1] <= 100:
        raise HarnessError(f"whu_opt_sar: percentiles is {limits}, expected two, such as [2, 98]")
    return chosen


def layout(options: Mapping[str, Any]) -> SceneSizes:
    """Return sizes and classes for plans that are made before the archives are there."""
    chosen = check_options(options)
    return SceneSizes(chosen.extents(), chosen.classes)


def open_dataset(options: Mapping[str, Any]) -> Dataset:
    """Find images and labels, fetch the archives if necessary, and check all headers.

    Raises:
        HarnessError: naming the file or option that is missing or wrong.
    """
    chosen = check_options(options)
    split = chosen.split()
    codes, ignore = (tuple((code,) for code in values) for values in (CODES, IGNORE))
    encoding = (
        LabelEncoding((*ignore, *codes)) if chosen.background else LabelEncoding(codes, ignore)
    )
    scratch = Path(chosen.cache)
    files = dataset_sources(SOURCES)
    found = gather(
        [f"{folder}/{name}.tif" for name, _ in split for folder in FOLDERS],
        {f"{member.path.parent.name}/{member.name}": member for member in chosen.loose()},
        [files[name] for name in ARCHIVES],
        chosen,
        singles=files,
        inspect=inspect,
    )
    return Dataset(
        title="WHU-OPT-SAR",
        scenes=tuple(
            _Sheet(
                Raster(found.files[f"optical/{name}.tif"], scratch),
                Raster(found.files[f"lbl/{name}.tif"], scratch),
                encoding,
                chosen.bands,
                chosen.percentiles,
            ).scene(name, part, ("uint8", "uint16"))
            for name, part in progress(split, "reading headers", unit="scene")
        ),
        classes=chosen.classes,
        palette=((0, 0, 0), *COLOURS) if chosen.background else COLOURS,
        sources=found.records,
        notes=(
            "The data set authors' division into training and test sheets, unless the options "
            f"give another. Bands read as red, green, blue, infrared: {list(chosen.bands)}; "
            f"whether the first three are stored as RGB or BGR is not documented. {_flagged(split)}"
        ),
    )


def _flagged(split: Sequence[tuple[str, str]]) -> str:
    used = [f"{name} ({part})" for name, part in split if name in FLAGGED]
    if not used:
        return "No sheet is used whose labels are reported as wrong."
    return f"Labels reported as wrong, used nevertheless: {', '.join(used)}."


def inspect(source: ExternalFile, path: Path) -> str:
    """Return what is wrong with a sheet or its labels that nobody has seen yet.

    Everything is decoded once: a damaged file must not become the one that later runs insist on.
    """
    try:
        header = read_header(Member(path.name, path))
        with closing(Raster(Member(path.name, path))) as raster:
            pixels = raster.read(0, 0, header.height, header.width, range(header.bands))
    except HarnessError as error:
        return f"it cannot be read: {error}"
    if source.name.startswith("optical/"):
        return "" if header.bands == 4 else f"it has {header.bands} bands, expected 4"
    if header.bands != 1:
        return f"it has {header.bands} bands, expected 1"
    unknown = np.setdiff1d(pixels, (*IGNORE, *CODES)).tolist()
    return f"it holds {unknown[:5]}, expected labels 0, 10, … 70" if unknown else ""


@dataclass
class _Sheet(LabelledImage):
    """One optical image with its labels; 16 bits are scaled to 8."""

    percentiles: tuple[float, ...] = ()

    @cached_property
    def limits(self) -> NDArray[np.float32]:
        """Values that become 0 and 255 in each band; the visible bands share one pair."""
        height, width = self.header.height, self.header.width
        shape = (min(height, SAMPLE), min(width, SAMPLE))
        sample = self.image.read(0, 0, height, width, self.bands, shape)
        # Separate ranges of the visible bands would change their colours.
        low, high = np.transpose(
            [np.percentile(part, self.percentiles) for part in (sample[:3], sample[3])]
        ).astype(np.float32)
        return np.stack([low, np.maximum(high, low + 1)])[:, [0, 0, 0, 1], None, None]

    def read_image(self, y: int, x: int, out: NDArray[np.uint8]) -> None:
        if self.header.dtype == "uint8":
            super().read_image(y, x, out)
            return
        _, height, width = out.shape
        bands = self.image.read(y, x, height, width, self.bands).astype(np.float32)
        low, high = self.limits
        out[:] = np.rint(np.clip((bands - low) * (np.float32(255) / (high - low)), 0, 255))
