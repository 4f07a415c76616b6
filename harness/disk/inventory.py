"""The user's files that a data set is read from, by name, size, time and content."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from harness.disk.code import DIGITS
from harness.disk.files import read_json, sha256, sha256_json, walk, write_json
from harness.errors import HarnessError, StorageError

Row = list[int | str]
"""Size in bytes, times of modification and of change in nanoseconds, and SHA-256."""


class Inventory:
    """The content of all files at some places; a file is read only if its state has changed.

    Args:
        places: files, and folders: their files count, but hidden ones and texts (`*.md`).
        path: where the hashes are kept, with the state in which each file was read.
    """

    def __init__(self, places: Sequence[Path], path: Path) -> None:
        self.places, self.path = places, path

    def content(self) -> str:
        """Return the short name of all names and contents, and keep the hashes that are new.

        Raises:
            HarnessError: naming the file or folder that cannot be read.
        """
        before = self._kept()
        now: dict[str, Row] = {}
        paths: dict[str, Path] = {}
        try:
            for number, place in enumerate(self.places):
                for file, name, status in _files(place):
                    key = f"{number}/{name}"
                    # The second time also shows a file whose first one was set back.
                    now[key] = [status.st_size, status.st_mtime_ns, status.st_ctime_ns, ""]
                    if before.get(key, ())[:-1] == now[key][:-1]:
                        now[key] = before[key]
                    else:
                        paths[key] = file
            with ThreadPoolExecutor() as pool:
                for key, digest in zip(paths, pool.map(sha256, paths.values()), strict=True):
                    now[key][-1] = digest
        except OSError as error:
            raise HarnessError(f"{error.filename}: cannot be read: {error.strerror}") from error
        if now != before:
            # It only saves time: a folder of results that is read-only stays usable.
            with suppress(StorageError):
                write_json(self.path, now)
        return sha256_json({key: row[-1] for key, row in now.items()})[:DIGITS]

    def folders(self) -> list[Path]:
        """Return the folders that the files lie in.

        Raises:
            OSError: if a folder cannot be read.
        """
        found = (path.parent for place in self.places for path, *_ in _files(place))
        return list(dict.fromkeys(found))

    def newest(self) -> float:
        """Return the latest time of change, in seconds since 1970; 0 without files."""
        times = (status.st_mtime for place in self.places for *_, status in _files(place))
        return max(times, default=0.0)

    def _kept(self) -> dict[str, Row]:
        if not self.path.is_file():
            return {}
        try:
            rows = dict(read_json(self.path))
        except (HarnessError, ValueError, TypeError):
            return {}
        return {key: row for key, row in rows.items() if isinstance(row, list) and len(row) == 4}


def _files(place: Path) -> Iterator[tuple[Path, str, os.stat_result]]:
    """Yield path, name and state of every file at a place; a file has its own name."""
    if place.is_file():
        yield place, place.name, place.stat()
        return
    for path in walk(place):
        if path.suffix != ".md":
            yield path, path.relative_to(place).as_posix(), path.stat()
