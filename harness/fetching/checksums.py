"""Hashes of files, also computed while their bytes arrive."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

BLOCK = 1 << 20


class Digests:
    """Hashes of the first `position` bytes of a file.

    Args:
        kinds: `sha256`, `md5` or `git_blob`, which is the SHA-1 of the text `blob SIZE`, a zero
            byte and the file.
        size: size of the file in bytes, which a git blob's hash begins with; 0 if it is unknown,
            then `git_blob` is left out.
    """

    def __init__(self, kinds: Iterable[str], size: int) -> None:
        self.kinds = [kind for kind in kinds if size or kind != "git_blob"]
        self.size = size
        self._restart()

    def _restart(self) -> None:
        self.position = 0
        self._hashes: dict[str, Any] = {}
        for kind in self.kinds:
            blob = kind == "git_blob"
            self._hashes[kind] = hashlib.new("sha1" if blob else kind)
            if blob:
                self._hashes[kind].update(b"blob %d\0" % self.size)

    def update(self, data: bytes) -> None:
        """Add the bytes that follow."""
        for item in self._hashes.values():
            item.update(data)
        self.position += len(data)

    def catch_up(self, path: Path, end: int) -> None:
        """Read what is missing of the first `end` bytes of a file; start again if it is longer."""
        if self.position > end:
            self._restart()
        if self._hashes and self.position < end:
            with path.open("rb") as stream:
                stream.seek(self.position)
                while data := stream.read(min(BLOCK, end - self.position)):
                    self.update(data)
        self.position = end

    def of(self, path: Path) -> dict[str, str]:
        """Return the hashes of the whole file in hexadecimal digits, by kind."""
        self.catch_up(path, path.stat().st_size)
        return {kind: item.hexdigest() for kind, item in self._hashes.items()}


def file_hashes(path: Path, kinds: Iterable[str]) -> dict[str, str]:
    """Return hashes of a file on disk, by kind."""
    size = path.stat().st_size
    # A git blob may be empty; `Digests` takes size 0 for an unknown one.
    empty = {"git_blob": hashlib.sha1(b"blob 0\0").hexdigest()} if not size else {}
    found = Digests(kinds, size).of(path)
    return {**found, **{kind: value for kind, value in empty.items() if kind in kinds}}


def contradiction(entries: Iterable[tuple[str, Mapping[str, Any]]]) -> str:
    """Return which two entries state different hashes or sizes of one file, or an empty string.

    Args:
        entries: a place for the message, and the stated `sha256`, `git_blob` and `bytes`.
    """
    kinds = ("sha256", "git_blob", "bytes")
    seen: dict[tuple[str, str], tuple[str, Mapping[str, Any]]] = {}
    for place, entry in entries:
        for kind in kinds[:2]:
            if not entry.get(kind):
                continue
            other_place, other = seen.setdefault((kind, entry[kind]), (place, entry))
            for key in kinds:
                if entry.get(key) and other.get(key) and entry[key] != other[key]:
                    return (
                        f"{place}: {key} is {entry[key]}, but {other_place} has {other[key]} with "
                        f"the same {kind} {entry[kind]}; one of them is wrong, correct it"
                    )
    return ""
