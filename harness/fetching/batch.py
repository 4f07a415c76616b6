"""Many files at once: what a download will take is said first, and no file stops the others."""

import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.disk.files import check_space, sha256_json, size_text
from harness.errors import HarnessError, StorageError
from harness.fetching.places import Places
from harness.fetching.source import (
    ExternalFile,
    Inspection,
    fetch,
    locate,
    make_cache,
    record_of,
)
from harness.terminal import SECONDS_BETWEEN_LINES

SHOWN = 10
"""Number of file names that a message lists."""


def outermost(source: ExternalFile) -> ExternalFile:
    """Return what is downloaded for a file: the file itself, or the archive around it."""
    return source if source.inside is None else outermost(source.inside)


def bytes_of(sources: Iterable[ExternalFile]) -> int:
    """Return the stated bytes of the downloads for files, exact or approximate."""
    return sum(item.bytes or item.about for item in {outermost(source) for source in sources})


def bytes_to_unpack(sources: Iterable[ExternalFile]) -> int:
    """Return the stated bytes that are copied out of archives.

    Where the bytes of a member are not stated, those of the archives around all of them count.
    """
    members = {source for source in sources if source.inside is not None}
    if all(member.bytes for member in members):
        return sum(member.bytes for member in members)
    return bytes_of(members)


def size_of(sources: Iterable[ExternalFile]) -> str:
    """Return the size of the downloads for files as text, as far as it is known."""
    downloads = {outermost(source) for source in sources}
    total = bytes_of(downloads)
    exact = "" if all(item.bytes for item in downloads) else "about "
    unknown = sum(not (item.bytes or item.about) for item in downloads)
    parts = [f"{exact}{size_text(total)}"] if total else []
    parts += [f"{unknown} of unknown size"] if unknown else []
    return " and ".join(parts)


def listed(names: Sequence[str]) -> str:
    """Return the first names of a list as text."""
    return ", ".join(names[:SHOWN]) + (" …" if len(names) > SHOWN else "")


def announce(title: str, here: int, missing: Sequence[ExternalFile], cache: Path) -> None:
    """Print what a download will take, and what room there is.

    Raises:
        StorageError: if the disk has no room for the stated bytes.
    """
    make_cache(cache)
    downloads = {outermost(source) for source in missing}
    free = size_text(shutil.disk_usage(cache).free)
    print(
        f"{title}: {here} of {here + len(missing)} files are here; {len(downloads)} to download "
        f"({size_of(downloads)}) to {cache}, where {free} are free",
        file=sys.stderr,
        flush=True,
    )
    check_space(cache, sum(item.bytes for item in downloads), title)


def fetch_all(
    title: str,
    sources: Sequence[ExternalFile],
    places: Places,
    *,
    here: int = 0,
    inspect: Inspection | None = None,
) -> dict[str, Path]:
    """Return verified local copies of files by their names; download those that are missing.

    Args:
        title: what the files are, for messages.
        sources: the files; their names differ.
        places: where they may be.
        here: number of files of the same kind that are known to be elsewhere, for messages.
        inspect: looks into files that have no stated hash.

    Raises:
        StorageError: if the disk has no room for them.
        HarnessError: after everything else is fetched, naming the files that are missing and why.
    """
    found: dict[str, Path] = {}
    problems: dict[str, str] = {}
    for source in sources:
        try:
            path = locate(source, places=places, inspect=inspect)
        except HarnessError as error:
            problems[source.name] = str(error)
            continue
        if path is not None:
            found[source.name] = path
    missing = [item for item in sources if item.name not in found and item.name not in problems]
    if missing:
        announce(title, here + len(found), missing, places.cache)
        _report_absent(title, missing, places)
    for source in _with_time_left(missing, title):
        try:
            found[source.name] = fetch(source, places=places, inspect=inspect)
        except StorageError:
            raise
        except HarnessError as error:
            problems[source.name] = str(error)
    if problems:
        counts = f"{here + len(found)} of {here + len(sources)} are here"
        names = listed(sorted(problems))
        lines = [f"{title}: {counts}, {len(problems)} missing: {names}"]
        lines += dict.fromkeys(list(problems.values())[:SHOWN])
        lines += [places.advice] if places.advice else []
        lines.append("run the same command again: what is here is not fetched again")
        raise HarnessError("\n  ".join(lines))
    return found


def record_of_all(
    title: str, sources: Sequence[ExternalFile], found: Mapping[str, Path], cache: Path
) -> dict[str, Any]:
    """Describe many verified files with one hash: that of their names and hashes, in order."""
    records = [record_of(source, found[source.name], cache=cache) for source in sources]
    return {
        "name": title,
        "files": len(records),
        "bytes": sum(record["bytes"] for record in records),
        "sha256": sha256_json([[record["name"], record["sha256"]] for record in records]),
        "licence": sources[0].licence,
        "citation": sources[0].citation,
    }


def _report_absent(title: str, missing: Sequence[ExternalFile], places: Places) -> None:
    addresses = {source.name: source.urls[0] for source in missing if source.urls}
    if not any("drive.google.com" in url for url in addresses.values()):
        return
    from harness.fetching.drive import is_absent

    absent = [name for name, url in addresses.items() if is_absent(url, places)]
    if absent:
        text = f"{title}: Google Drive does not list {len(absent)} files: {listed(absent)}"
        print(text, file=sys.stderr, flush=True)


def _with_time_left(missing: Sequence[ExternalFile], title: str) -> Iterator[ExternalFile]:
    """Yield files, and print now and then how many are left and for about how long."""
    started = last = time.monotonic()
    for index, source in enumerate(missing, 1):
        yield source
        now = time.monotonic()
        left = len(missing) - index
        if now - last > SECONDS_BETWEEN_LINES and left:
            last = now
            minutes = (now - started) / index * left / 60
            text = f"{title}: {left} of {len(missing)} files left, about {minutes:.0f} min"
            print(text, file=sys.stderr, flush=True)
