"""Where the images of a large data set lie: unpacked, or in archives that may be fetched."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.disk.schema import Items
from harness.errors import HarnessError
from harness.fetching.source import CACHE, ExternalFile, fetch, locate, record_of
from harness.scenes.options import AdapterOptions, Word
from harness.scenes.raster import Header, Member, files_below, members_of, read_header
from harness.scenes.splits import choose_split

SHOWN = 5
"""Number of file names that a message lists."""


class FetchedOptions(AdapterOptions):
    """Options that every fetched data set has.

    `root` holds unpacked pictures or archives; `cache` is for downloads and scratch files;
    `mirrors` are further folders that may hold archives. `train` and `test` name scenes in
    the place of the data set's own split.
    """

    root: Word | None = None
    cache: Word = str(CACHE)
    mirrors: Items[Word] = ()
    train: Items[Word] | None = None
    test: Items[Word] | None = None

    def check(self, dataset: str) -> None:
        """Refuse a root that is not a folder, and scenes that are not a split.

        Raises:
            HarnessError: naming the data set and the folder or scenes.
        """
        if self.root is not None and not Path(self.root).is_dir():
            raise HarnessError(
                f"{dataset}: the folder {self.root} given as `root` does not exist; "
                "leave `root` out to have the data fetched"
            )
        self.split(dataset)

    def split(self, dataset: str) -> list[tuple[str, str]]:
        """Return (scene, split) pairs, training first."""
        return choose_split(dataset, self.train, self.test)

    def loose(self) -> Iterable[Member]:
        """Yield the unpacked images below `root`."""
        return files_below(Path(self.root)) if self.root is not None else ()

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
    places: FetchedOptions,
) -> FoundFiles:
    """Find every named file: unpacked, else in an archive at hand, else in a fetched archive.

    Args:
        names: file names.
        loose: unpacked files by name.
        archives: in order of preference; nothing is downloaded if the files at hand suffice.
        places: where archives may be.

    Raises:
        HarnessError: listing the missing files and what was tried; or naming an archive of the
            cache whose content has changed.
    """
    found = {name: loose[name] for name in names if name in loose}
    records = [{"folder": str(places.root), "files": len(found)}] if found else []
    problems: list[str] = []
    for find in (locate, fetch):
        for source in archives:
            if len(found) == len(names):
                break
            try:
                path = find(source, cache=Path(places.cache), mirrors=places.folders)
            except HarnessError as error:
                if find is locate:
                    # Using another archive instead of a damaged one would hide the damage.
                    raise
                problems.append(str(error))
                continue
            wanted = {name for name in names if name not in found}
            new = members_of(path, wanted) if path else {}
            if path and new:
                found.update(new)
                records.append(record_of(source, path, cache=Path(places.cache)))
    missing = [name for name in names if name not in found]
    if missing:
        raise HarnessError(_describe(missing, names, archives, problems))
    return FoundFiles(found, tuple(records))


def _describe(
    missing: Sequence[str],
    names: Sequence[str],
    archives: Sequence[ExternalFile],
    problems: list[str],
) -> str:
    listed = ", ".join(missing[:SHOWN]) + (" …" if len(missing) > SHOWN else "")
    wanted = " or ".join(source.name for source in archives)
    lines = [f"{len(missing)} of {len(names)} files are missing: {listed}"]
    lines.append(f"  they are expected below `root` or in {wanted}")
    return "\n".join([*lines, *dict.fromkeys(problems)])


def check_pair(image: Member, label: Member, bands: int) -> Header:
    """Return the header of an image after checking it against the header of its labels.

    Raises:
        HarnessError: if the sizes differ, the image has too few bands, or the labels are not uint8.
    """
    header, other = read_header(image), read_header(label)
    if header.bands < bands:
        raise HarnessError(f"{image}: {header.bands} bands, expected at least {bands}")
    if (header.height, header.width) != (other.height, other.width):
        raise HarnessError(
            f"{label}: {other.height}×{other.width} pixels, "
            f"but {image} has {header.height}×{header.width}"
        )
    if other.dtype != "uint8":
        raise HarnessError(f"{label}: pixels of type {other.dtype}, expected uint8 labels")
    return header
