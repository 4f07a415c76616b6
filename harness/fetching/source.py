"""External files: what is known about each, and how it is found or fetched and verified.

A file is looked for in the cache, then in mirror folders, then inside an archive that holds it;
only then is it downloaded. Whatever is found must have every stated hash. In the cache, a file
with a stated hash has a folder named after it, because two files may have one name. On the
command line: `segfanet-bench sources list|where|get|verify`.
"""

import sys
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Optional

from harness.disk.files import (
    atomic_path,
    naming_owners,
    owner_of,
    refuse_overwriting,
    sha256,
)
from harness.errors import HarnessError
from harness.fetching.archives import extract_member
from harness.fetching.checksums import file_hashes
from harness.fetching.first_use import FirstUseHashes
from harness.fetching.places import Places

CACHE = Path("resources")
"""Default folder of downloads."""
LARGEST = 50_000_000_000
"""Bytes after which a download is given up if nothing is known about its size."""
TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""First bytes of a TIFF; the last two are those of a BigTIFF."""

Inspection = Callable[["ExternalFile", Path], str]
"""Looks into a file without a stated hash; returns what is wrong, or an empty string."""


@dataclass(frozen=True)
class ExternalFile:
    """One external file, with the fields that `registry.SourceEntry` describes.

    `name` may have folders, as in the repository or archive of its publisher. `inside` is the
    archive that holds the file. Without a `sha256` or `git_blob`, the hash of the first use is
    recorded in the cache and enforced from then on.
    """

    name: str
    urls: tuple[str, ...] = ()
    sha256: str = ""
    git_blob: str = ""
    md5: str = ""
    bytes: int = 0
    about: int = 0
    at_most: int = 0
    licence: str = ""
    citation: str = ""
    password: str = ""
    page: str = ""
    inside: Optional["ExternalFile"] = None
    optional: bool = False

    @property
    def access(self) -> str:
        """How it is obtained: open, password, Google Drive, by hand, or in an archive."""
        if self.password:
            return "password (known)"
        if self.inside is not None:
            return f"in {self.inside.name}"
        if not self.urls:
            return "by hand"
        return "Google Drive" if "drive.google.com" in self.urls[0] else "open"

    @property
    def hashes(self) -> dict[str, str]:
        """The stated hashes by kind; the weaker md5 counts only where it is the only one."""
        stated = {"sha256": self.sha256, "git_blob": self.git_blob}
        strong = {kind: value for kind, value in stated.items() if value}
        return strong or ({"md5": self.md5} if self.md5 else {})

    @property
    def bound(self) -> int:
        """Bytes after which a download is given up, because a server may send without end."""
        return self.bytes or self.at_most or 2 * self.about or LARGEST

    def place(self, cache: Path) -> Path:
        """Return where a download is kept: below a folder named after the hash, if one is stated.

        A file that a person puts at its plain name in the cache is found, too.
        """
        key = (self.sha256 or self.git_blob)[:16]
        return cache / key / PurePosixPath(self.name).name if key else cache / self.name


@naming_owners()
def locate(
    source: ExternalFile,
    *,
    cache: Path = CACHE,
    mirrors: Sequence[Path] = (),
    places: Places | None = None,
    inspect: Inspection | None = None,
) -> Path | None:
    """Return the verified file if it is in the cache or a mirror; the network is not used.

    Args:
        source: the file.
        cache: as in `Places`.
        mirrors: as in `Places`.
        places: cache and mirrors of a run that looks for several files.
        inspect: looks into a file that has no stated hash.

    Raises:
        HarnessError: if the cache holds a file of that name with other content, or if stated
            hashes contradict each other.
    """
    places = places or Places(cache, mirrors)
    for cached in (source.place(places.cache), places.cache / source.name):
        if cached.is_file():
            problem = mismatch(source, cached, places.cache, inspect=inspect)
            if problem:
                raise HarnessError(f"{cached}: {problem}; delete it, or put the right file there")
            return cached
    folders = [Path(folder) for folder in places.mirrors]
    if source.sha256 or source.git_blob:
        folders.insert(0, places.cache)
    for folder in folders:
        candidates = (
            places.alike(source.name, source.bytes, folder)
            if source.hashes
            else places.single(source.name, folder)
        )
        for path in candidates:
            problem = mismatch(source, path, places.cache, inspect=inspect)
            if not problem:
                return path
            if path == folder / source.name:
                print(f"warning: {path} is passed over: {problem}", file=sys.stderr, flush=True)
    return None


def mismatch(
    source: ExternalFile,
    path: Path,
    cache: Path,
    *,
    known: dict[str, str] | None = None,
    inspect: Inspection | None = None,
) -> str:
    """Return what is wrong with a file, or an empty string; record the hash of a first use.

    Args:
        source: what the file has to be.
        path: the file.
        cache: folder with the hashes of first uses.
        known: hashes of the file that were computed while it arrived.
        inspect: looks into a file that is used for the first time.

    Raises:
        HarnessError: if one stated hash is right and another wrong: they contradict each other.
    """
    size = path.stat().st_size
    if source.bytes and size != source.bytes:
        return f"it has {size} bytes, expected {source.bytes}"
    first_uses = FirstUseHashes(cache)
    strong = source.sha256 or source.git_blob
    recorded = "" if strong else first_uses.get(source.name)
    stated = {"sha256": recorded} if recorded else source.hashes
    missing = {*stated, *(() if strong else ("sha256",))} - set(known or ())
    found = {**(known or {}), **file_hashes(path, missing)}
    wrong = [kind for kind, value in stated.items() if found[kind] != value]
    if wrong:
        origin = f", as recorded in {first_uses.path} on first use" if recorded else ""
        problem = f"its {wrong[0]} is {found[wrong[0]]}, expected {stated[wrong[0]]}{origin}"
        right = [kind for kind in stated if kind not in wrong]
        if right:
            raise HarnessError(
                f"{source.name}: found {path}: {problem}, but its {right[0]} is the stated one; "
                "the stated hashes contradict each other, correct the entry"
            )
        return problem
    if strong or recorded:
        return ""
    # If half a file or a web page were recorded, the right file would be refused from then on.
    problem = _not_as_named(path, source.name) or (inspect(source, path) if inspect else "")
    if not problem:
        first_uses.record(source.name, found["sha256"])
    return problem


def _not_as_named(path: Path, name: str) -> str:
    if name.endswith(".zip") and not zipfile.is_zipfile(path):
        return "it is not a complete zip archive"
    if name.endswith((".tif", ".tiff")):
        with path.open("rb") as stream:
            start = stream.read(64)
        if not start.startswith(TIFF):
            page = start.lstrip()[:1] == b"<"
            return "it is a web page, not a TIFF" if page else "it is not a TIFF"
    return ""


@naming_owners()
def fetch(
    source: ExternalFile,
    *,
    cache: Path = CACHE,
    mirrors: Sequence[Path] = (),
    pause: float = 1.0,
    places: Places | None = None,
    inspect: Inspection | None = None,
) -> Path:
    """Return a verified local copy of a file; download it into the cache if there is none.

    Jobs that ask for the same file at the same time fetch it once. A file in a mirror is used
    where it is. The arguments are those of `locate`, and `pause` as in `Places`.

    Raises:
        HarnessError: if the file cannot be obtained, naming it and where to put it by hand; if
            what was found has the wrong hash; or if the cache is one of the mirrors.
    """
    from filelock import FileLock

    places = places or Places(cache, mirrors, pause)
    found = locate(source, places=places, inspect=inspect)
    if found is None:
        refuse_overwriting([places.cache], places.mirrors)
        target = source.place(places.cache)
        # A cache above a mirror could write into it.
        refuse_overwriting([target.parent], places.mirrors)
        make_cache(target.parent)
        with FileLock(target.with_name(f".{target.name}.lock")):
            # Another job may have fetched it while this one waited.
            if target.is_file():
                return fetch(source, places=places, inspect=inspect)
            found = _obtain(source, target, places, inspect)
    return found


def make_cache(cache: Path) -> None:
    """Create the folder of downloads and scratch files.

    Raises:
        HarnessError: if it cannot be created or written to.
    """
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=cache):
            pass
    except OSError as error:
        raise HarnessError(
            f"{cache}: cannot be written to: {error}{owner_of(cache)}; name another cache"
        ) from error


def _obtain(source: ExternalFile, target: Path, places: Places, inspect: Inspection | None) -> Path:
    # Imported only now: a configuration is read without the network, and `requests` is large.
    from harness.fetching.download import Part, download

    problems: list[str] = []
    if source.inside is not None:
        try:
            archive = fetch(source.inside, places=places)
        except HarnessError as error:
            problems.append(str(error))
        else:
            return _unpack(source, archive, target, places.cache)
    # Where no strong hash is stated, that of the first use is recorded.
    kinds = {*source.hashes, *(() if source.sha256 or source.git_blob else ("sha256",))}
    part = Part.beside(target, kinds, source.bytes, bound=source.bound, proven=bool(source.hashes))
    for url in source.urls:
        try:
            download(url, part, places, password=source.password)
        except HarnessError as error:
            problems.append(str(error))
            continue
        known = part.digests.of(part.path)
        try:
            problem = mismatch(source, part.path, places.cache, known=known, inspect=inspect)
        except HarnessError:
            part.discard()
            raise
        if not problem:
            part.finish(target)
            return target
        part.discard()
        problems.append(f"{url}: the file was refused: {problem}")
    lines = [f"{source.name} could not be obtained", *problems]
    if source.page:
        lines.append(f"where to find it: {source.page}")
    lines.append(f"put it by hand at {places.cache / source.name}, or into a mirror folder")
    raise HarnessError("\n  ".join(lines))


def _unpack(source: ExternalFile, archive: Path, target: Path, cache: Path) -> Path:
    with atomic_path(target) as temporary:
        extract_member(archive, source.name, temporary)
        problem = mismatch(source, temporary, cache)
        if problem:
            raise HarnessError(f"{archive}: its member {source.name} is refused: {problem}")
    return target


def record_of(source: ExternalFile, path: Path, *, cache: Path = CACHE) -> dict[str, Any]:
    """Describe a verified file, for the record of what is made from it."""
    known = source.sha256 or ("" if source.git_blob else FirstUseHashes(cache).get(source.name))
    return {
        "name": source.name,
        "sha256": known or sha256(path),
        "bytes": path.stat().st_size,
        "licence": source.licence,
        "citation": source.citation,
    }
