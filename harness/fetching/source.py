"""External files: what is known about each, and how it is found or fetched and verified.

A file is looked for in the cache, then in mirror folders, then inside an archive that holds
it; only then it is downloaded. Whatever is found must have the stated hash. On the command line:
`segfanet-bench sources list|where|get|verify`.
"""

import hashlib
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from harness.disk.files import atomic_path, refuse_overwriting, sha256
from harness.errors import HarnessError
from harness.fetching.archives import extract_member
from harness.fetching.first_use import FirstUseHashes

CACHE = Path("resources")
"""Default folder of downloads."""


@dataclass(frozen=True)
class ExternalFile:
    """One external file, with the fields that `registry.SourceEntry` describes.

    `inside` is the archive that holds it. Without a `sha256`, the hash of the first use is
    recorded in the cache and enforced from then on.
    """

    name: str
    urls: tuple[str, ...] = ()
    sha256: str = ""
    md5: str = ""
    bytes: int = 0
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


def fetch(
    source: ExternalFile, *, cache: Path = CACHE, mirrors: Sequence[Path] = (), pause: float = 1.0
) -> Path:
    """Return a verified local copy of a file; download it into `cache` if there is none.

    Jobs that ask for the same file at the same time fetch it once. A file in a mirror is used
    where it is; it may have another name there if its SHA-256 is known. `pause` is the time in
    seconds before the first repetition of a failed transfer.

    Raises:
        HarnessError: if the file cannot be obtained, naming it and where to put it by hand; if
            what was found has the wrong hash; or if the cache is one of the mirrors.
    """
    from filelock import FileLock

    found = locate(source, cache=cache, mirrors=mirrors)
    if found is None:
        refuse_overwriting([cache], mirrors)
        make_cache(cache)
        with FileLock(cache / f".{source.name}.lock"):
            # Another job may have fetched it while this one waited.
            found = locate(source, cache=cache, mirrors=mirrors)
            found = found or _obtain(source, cache, mirrors, pause)
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
        raise HarnessError(f"{cache}: cannot be written to: {error}; name another cache") from error


def locate(
    source: ExternalFile, *, cache: Path = CACHE, mirrors: Sequence[Path] = ()
) -> Path | None:
    """Return the verified file if it is in the cache or a mirror; the network is not used.

    Raises:
        HarnessError: if the cache holds a file of that name with other content.
    """
    cached = cache / source.name
    if cached.is_file():
        problem = mismatch(source, cached, cache)
        if problem:
            raise HarnessError(f"{cached}: {problem}; delete it, or put the right file there")
        return cached
    for folder in mirrors:
        for path in _candidates(source, Path(folder)):
            problem = mismatch(source, path, cache)
            if not problem:
                return path
            if path.name == source.name:
                print(f"warning: {path} is passed over: {problem}", file=sys.stderr, flush=True)
    return None


def _candidates(source: ExternalFile, folder: Path) -> list[Path]:
    """List files of a mirror that may be the source: by name first, then those to be hashed."""
    named = [folder / source.name] if (folder / source.name).is_file() else []
    if not source.sha256 or not folder.is_dir():
        return named
    others = (path for path in sorted(folder.iterdir()) if path.is_file() and path not in named)
    return named + [
        path
        for path in others
        if path.stat().st_size == source.bytes
        or (not source.bytes and path.suffix == Path(source.name).suffix)
    ]


def mismatch(source: ExternalFile, path: Path, cache: Path) -> str:
    """Return what is wrong with a file, or an empty string; record the hash of a first use."""
    size = path.stat().st_size
    if source.bytes and size != source.bytes:
        return f"it has {size} bytes, expected {source.bytes}"
    hashes = FirstUseHashes(cache)
    recorded = "" if source.sha256 else hashes.get(source.name)
    expected = source.sha256 or recorded
    kind, value = ("sha256", expected) if expected else ("md5", source.md5)
    if value:
        with path.open("rb") as stream:
            found = hashlib.file_digest(stream, kind).hexdigest()
        if found != value:
            origin = f", as recorded in {hashes.path} on first use" if recorded else ""
            return f"its {kind} is {found}, expected {value}{origin}"
    if not expected:
        if source.name.endswith(".zip") and not zipfile.is_zipfile(path):
            # If half a file were recorded, the complete one would be refused from then on.
            return "it is not a complete zip archive"
        hashes.record(source.name, sha256(path))
    return ""


def _obtain(source: ExternalFile, cache: Path, mirrors: Sequence[Path], pause: float) -> Path:
    # Imported only now: a configuration is read without the network, and `requests` is large.
    from harness.fetching.download import Part, download

    target = cache / source.name
    problems: list[str] = []
    if source.inside is not None:
        try:
            archive = fetch(source.inside, cache=cache, mirrors=mirrors, pause=pause)
        except HarnessError as error:
            problems.append(str(error))
        else:
            return _unpack(source, archive, target, cache)
    part = Part(cache / f".{source.name}.part")
    for url in source.urls:
        try:
            download(url, part, password=source.password, pause=pause)
        except HarnessError as error:
            problems.append(str(error))
            continue
        problem = mismatch(source, part.path, cache)
        if not problem:
            part.finish(target)
            return target
        part.discard()
        problems.append(f"{url}: the file was refused: {problem}")
    lines = [f"{source.name} could not be obtained", *problems]
    if source.page:
        lines.append(f"where to find it: {source.page}")
    raise HarnessError(
        "\n  ".join([*lines, f"put it by hand at {target}, or into a mirror folder"])
    )


def _unpack(source: ExternalFile, archive: Path, target: Path, cache: Path) -> Path:
    with atomic_path(target) as temporary:
        extract_member(archive, source.name, temporary)
        problem = mismatch(source, temporary, cache)
        if problem:
            raise HarnessError(f"{archive}: its member {source.name} is refused: {problem}")
    return target


def record_of(source: ExternalFile, path: Path, *, cache: Path = CACHE) -> dict[str, Any]:
    """Describe a verified file, for the record of what is made from it."""
    return {
        "name": source.name,
        "sha256": source.sha256 or FirstUseHashes(cache).get(source.name),
        "bytes": path.stat().st_size,
        "licence": source.licence,
        "citation": source.citation,
    }
