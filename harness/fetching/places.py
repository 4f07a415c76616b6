"""The places of a run: the cache, the mirrors, and what has been learnt about them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from harness.disk.files import walk
from harness.errors import HarnessError

Listing = list[tuple[PurePosixPath, int]]
"""Files below a folder: path from there, and size in bytes; the shallowest first."""


@dataclass
class Places:
    """Where files are looked for, and what one run has learnt about these places.

    Attributes:
        cache: folder of downloads.
        mirrors: folders that may hold files under their names, in the folders of the publisher's
            repository, or under any name if a hash is stated. Nothing is written there.
        pause: seconds before the first repetition of a failed transfer.
        listings: files of folders of Google Drive by their addresses, listed once per run.
        refused: files in a row that Google Drive refused for its quota.
        advice: what helps against the refusals, for the end of a message.
    """

    cache: Path
    mirrors: Sequence[Path] = ()
    pause: float = 1.0
    listings: dict[str, Any] = field(default_factory=dict)
    refused: int = 0
    advice: str = ""
    _trees: dict[Path, Listing] = field(default_factory=dict)

    def tree(self, folder: Path) -> Listing:
        """List the files below a folder; hidden ones are left out."""
        if folder not in self._trees:
            found: Listing = []
            for path in walk(folder, unreadable=True):
                if path.is_file():
                    relative = PurePosixPath(path.relative_to(folder).as_posix())
                    found.append((relative, path.stat().st_size))
            self._trees[folder] = sorted(found, key=lambda item: (len(item[0].parts), item[0]))
        return self._trees[folder]

    def named(self, name: str, folder: Path) -> list[Path]:
        """List the files below a folder whose paths end with `name`, which may have folders."""
        wanted = PurePosixPath(name).parts
        found = [path for path, _ in self.tree(folder) if path.parts[-len(wanted) :] == wanted]
        return [folder / path for path in found]

    def single(self, name: str, folder: Path) -> list[Path]:
        """List the shallowest file below a folder whose path ends with `name`, if there is one.

        Raises:
            HarnessError: if there are two of them.
        """
        named = self.named(name, folder)
        if len(named) > 1 and len(named[0].parts) == len(named[1].parts):
            raise HarnessError(f"{named[0]} and {named[1]} have one name; keep one of them")
        return named[:1]

    def alike(self, name: str, size: int, folder: Path) -> list[Path]:
        """List the files below a folder that a hash may find to be `name`, also renamed ones.

        Those of the name come first, then those of the `size`; if it is unknown (0), those with
        the same suffix.
        """
        suffix = PurePosixPath(name).suffix
        others = [
            folder / path
            for path, bytes_of_it in self.tree(folder)
            if (bytes_of_it == size if size else path.suffix == suffix)
        ]
        return list(dict.fromkeys([*self.named(name, folder), *others]))
