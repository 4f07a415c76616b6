"""Reading zip archives that strangers made: members by name, nothing outside, nothing endless."""

import lzma
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath

from harness.disk.files import FULL, check_space
from harness.errors import HarnessError

# Every way of packing has errors of its own about broken data.
BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    NotImplementedError,
    EOFError,
    RuntimeError,
    UnicodeError,
)

LARGE = 512 << 20
"""Bytes; no single picture of the data sets is larger, and archives in archives hardly shrink."""
MAX_RATIO = 100
"""How tightly a member above `LARGE` may claim to be packed."""
MAX_TOTAL_RATIO = 1100
"""Deflate cannot pack more tightly than 1032 to 1; beyond, members share their bytes."""


@contextmanager
def open_archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a zip archive after checking every member's name, kind and claimed size.

    Raises:
        HarnessError: naming the archive and the member, for a path that leaves the folder, a
            link, a size that no honest archive has, or a damaged file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(path, archive.infolist())
            yield archive
    except OSError as error:
        full = error.errno in FULL
        problem = "the disk is full while unpacking" if full else "damaged or not readable"
        raise HarnessError(f"{path}: {problem}: {error}") from error
    except BROKEN as error:
        raise HarnessError(
            f"{path}: damaged or not a plain zip archive: {error!r}; replace it"
        ) from error


def _check_members(path: Path, members: list[zipfile.ZipInfo]) -> None:
    for member in members:
        problem = _problem(member)
        if problem:
            raise HarnessError(f"{path}: the archive is refused: {member.filename!r} {problem}")
    total, packed = sum(member.file_size for member in members), path.stat().st_size
    if total > MAX_TOTAL_RATIO * packed:
        raise HarnessError(
            f"{path}: the archive is refused: it would unpack from {packed} to {total} bytes"
        )


def _problem(member: zipfile.ZipInfo) -> str:
    name = member.orig_filename
    paths = (PurePosixPath(name), PureWindowsPath(name))
    if any(part.is_absolute() or part.drive for part in paths) or name.startswith(("/", "\\")):
        return "is an absolute path"
    if any(".." in part.parts for part in paths):
        return "leaves the folder"
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a special file"
    if member.file_size > max(LARGE, MAX_RATIO * member.compress_size):
        return f"claims to unpack from {member.compress_size} to {member.file_size} bytes"
    return ""


def find_members(archive: zipfile.ZipFile, names: Collection[str]) -> dict[str, zipfile.ZipInfo]:
    """Return the members with the bare names `names`, however deep they lie.

    Raises:
        HarnessError: if two members have one of the names.
    """
    found: dict[str, zipfile.ZipInfo] = {}
    for member in archive.infolist():
        name = PurePosixPath(member.filename).name
        if name not in names or member.is_dir():
            continue
        if name in found:
            raise HarnessError(f"{archive.filename}: holds {name} twice; keep one")
        found[name] = member
    return found


def extract_member(path: Path, name: str, target: Path) -> None:
    """Unpack the member with the bare name `name` to `target`, in small pieces.

    Raises:
        HarnessError: if there is no such member, it is damaged, or the disk is too small.
    """
    with open_archive(path) as archive:
        members = find_members(archive, [name])
        if name not in members:
            held = ", ".join(sorted(archive.namelist())[:20])
            raise HarnessError(f"{path}: has no member {name}; it holds {held}")
        copy_member(archive, members[name], target)


def copy_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
    """Unpack one member to `target`; never more bytes than it claims.

    Raises:
        StorageError: if the disk has no room for it.
    """
    check_space(target.parent, member.file_size, member.filename)
    with archive.open(member) as packed, target.open("wb") as stream:
        shutil.copyfileobj(packed, stream, 1 << 20)
