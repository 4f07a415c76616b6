"""Where the images of a large data set are: unpacked, or in archives that may be fetched."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from harness.disk.schema import Items, Model
from harness.errors import HarnessError
from harness.fetching.batch import fetch_all, listed, record_of_all
from harness.fetching.places import Places
from harness.fetching.source import CACHE, ExternalFile, Inspection, locate, record_of
from harness.scenes.labels import LabelEncoding
from harness.scenes.options import ImageName, Word
from harness.scenes.raster import Header, Member, Raster, files_below, members_of, read_header
from harness.scenes.scene import Extent, Scene
from harness.scenes.splits import choose_split


class FetchedOptions(Model):
    """Options that every fetched data set has.

    `root` holds unpacked images or archives; `cache` is for downloads and scratch files;
    `mirrors` are further folders that may hold archives. `train` and `test` name scenes in
    the place of the data set's own split; `pairs` restricts the data set to these scenes.
    """

    DATASET: ClassVar[str]
    """Name of the adapter."""
    SIZE: ClassVar[tuple[int, int]]
    """Rows and columns of a scene."""

    root: Word | None = None
    cache: Word = str(CACHE)
    mirrors: Items[Word] = ()
    pairs: Items[ImageName] | None = None
    train: Items[ImageName] | None = None
    test: Items[ImageName] | None = None

    def check(self) -> None:
        """Refuse a root that is not a folder, and scenes that are not a split.

        Raises:
            HarnessError: naming the data set and the folder or scenes.
        """
        if self.root is not None and not Path(self.root).is_dir():
            raise HarnessError(
                f"{self.DATASET}: the folder {self.root} given as `root` does not exist; "
                "leave `root` out to have the data fetched"
            )
        self.split()

    def split(self) -> list[tuple[str, str]]:
        """Return (scene, split) pairs, training first."""
        return choose_split(self.DATASET, self.train, self.test, self.pairs)

    def extents(self) -> tuple[Extent, ...]:
        """Return what is known about the scenes before any file is there."""
        return tuple(Extent(name, part, *self.SIZE) for name, part in self.split())

    def loose(self) -> list[Member]:
        """Return the unpacked images below `root`."""
        return files_below(Path(self.root)) if self.root is not None else []

    @property
    def folders(self) -> list[Path]:
        """Folders besides the cache that may hold archives."""
        return [Path(folder) for folder in (self.root, *self.mirrors) if folder is not None]


@dataclass(frozen=True)
class FoundFiles:
    """Files by name, and records of the archives or folders that hold them."""

    files: Mapping[str, Member]
    records: tuple[dict[str, Any], ...]


def gather(
    names: Sequence[str],
    loose: Mapping[str, Member],
    archives: Sequence[ExternalFile],
    options: FetchedOptions,
    *,
    singles: Mapping[str, ExternalFile] | None = None,
    inspect: Inspection | None = None,
) -> FoundFiles:
    """Find every named file: unpacked, else in an archive at hand, else fetched.

    Args:
        names: file names, which may have folders.
        loose: unpacked files by name.
        archives: in order of preference; nothing is downloaded if the files at hand suffice.
        options: where archives may be.
        singles: name → file, if the files are fetched one by one and not in the archives.
        inspect: looks into a single file that has no stated hash.

    Raises:
        HarnessError: listing the missing files and what was tried; or naming an archive of the
            cache whose content has changed.
    """
    found = {name: loose[name] for name in names if name in loose}
    records = [{"folder": str(options.root), "files": len(found)}] if found else []
    places = Places(Path(options.cache), options.folders)
    problems: list[str] = []
    fetched = archives if singles is None else ()
    for archive, fetching in [(item, False) for item in archives] + [(i, True) for i in fetched]:
        wanted = [name for name in names if name not in found]
        try:
            path = _archive(archive, places, fetching) if wanted else None
        except HarnessError as error:
            if not fetching:
                # Using another archive instead of a damaged one would hide the damage.
                raise
            problems.append(str(error))
            continue
        if path and (new := members_of(path, wanted)):
            found.update(new)
            records.append(record_of(archive, path, cache=places.cache))
    missing = [name for name in names if name not in found]
    if missing and singles is not None:
        wanted_files = [singles[name] for name in missing]
        title = options.DATASET
        paths = fetch_all(title, wanted_files, places, here=len(found), inspect=inspect)
        found.update({name: Member(path.name, path) for name, path in paths.items()})
        records.append(record_of_all(title, wanted_files, paths, places.cache))
    elif missing:
        expected = " or ".join(source.name for source in archives)
        lines = [f"{len(missing)} of {len(names)} files are missing: {listed(missing)}"]
        lines.append(f"  they are expected below `root` or in {expected}")
        raise HarnessError("\n".join([*lines, *dict.fromkeys(problems)]))
    return FoundFiles(found, tuple(records))


def _archive(archive: ExternalFile, places: Places, fetching: bool) -> Path | None:
    if fetching:
        return fetch_all(archive.name, [archive], places)[archive.name]
    return locate(archive, places=places)


@dataclass
class LabelledImage:
    """An image and its labels, which are read by windows."""

    image: Raster
    labels: Raster
    encoding: LabelEncoding
    bands: Sequence[int] = (0, 1, 2, 3)
    """Numbers of the bands with red, green, blue and infrared."""

    @cached_property
    def header(self) -> Header:
        """Size, bands and type of the image."""
        return read_header(self.image.member)

    def scene(self, name: str, split: str, dtypes: Sequence[str] = ("uint8",)) -> Scene:
        """Check both headers and return the scene; the image has one of `dtypes`.

        Raises:
            HarnessError: if the sizes differ, the image has too few bands or another type, or the
                labels are not uint8.
        """
        image, label = self.image.member, self.labels.member
        header, other = self.header, read_header(label)
        if header.bands <= max(self.bands):
            raise HarnessError(
                f"{image}: {header.bands} bands, expected at least {max(self.bands) + 1}"
            )
        if (header.height, header.width) != (other.height, other.width):
            raise HarnessError(
                f"{label}: {other.height}×{other.width} pixels, "
                f"but {image} has {header.height}×{header.width}"
            )
        if other.dtype != "uint8":
            raise HarnessError(f"{label}: pixels of type {other.dtype}, expected uint8 labels")
        if header.dtype not in dtypes:
            expected = " or ".join(dtypes)
            raise HarnessError(f"{image}: pixels of type {header.dtype}, expected {expected}")
        return Scene(name, split, header.height, header.width, self.read, self.close)

    def read(self, y: int, x: int, height: int, width: int) -> NDArray[np.uint8]:
        """Read a window as a `Scene` gives it."""
        bands = np.empty((5, height, width), np.uint8)
        self.read_image(y, x, bands[:4])
        channels = range(self.encoding.channels)
        values = self.labels.read(y, x, height, width, channels)
        place = f"{self.labels.member}, from row {y} and column {x}"
        self.encoding.decode(values, place, out=bands[4])
        return bands

    def read_image(self, y: int, x: int, out: NDArray[np.uint8]) -> None:
        """Read red, green, blue and infrared into `out`, (4, height, width)."""
        _, height, width = out.shape
        self.image.read(y, x, height, width, self.bands, out=out)

    def close(self) -> None:
        """Close both files."""
        self.image.close()
        self.labels.close()
