"""Reading zip archives that strangers made: members by name, nothing outside, nothing endless."""

import shutil
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath

from harness.errors import HarnessError

MAX_MEMBER = 64 << 30
MAX_TOTAL = 256 << 30
"""Bytes that a member, and all together, may claim: several times what the data sets hold."""
MAX_RATIO = 1100
"""Deflate cannot pack more tightly than 1032 to 1."""
SPARE = 64 << 20


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
    except (zipfile.BadZipFile, NotImplementedError, EOFError, RuntimeError) as error:
        raise HarnessError(f"{path}: damaged or not a plain zip archive: {error}") from error


def _check_members(path: Path, members: list[zipfile.ZipInfo]) -> None:
    for member in members:
        problem = _problem(member)
        if problem:
            raise HarnessError(f"{path}: the archive is refused: {member.filename!r} {problem}")
    total = sum(member.file_size for member in members)
    if total > MAX_TOTAL:
        raise HarnessError(f"{path}: the archive is refused: it would unpack to {total} bytes")


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
    if member.file_size > MAX_MEMBER:
        return f"claims {member.file_size} bytes"
    if member.file_size > MAX_RATIO * max(member.compress_size, 1) + SPARE:
        return f"claims {member.file_size} bytes from {member.compress_size}"
    return ""


def find_members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Return the files of an archive by their bare names, however deep they lie.

    Raises:
        HarnessError: if two members have the same bare name.
    """
    found: dict[str, zipfile.ZipInfo] = {}
    for member in archive.infolist():
        name = PurePosixPath(member.filename).name
        if member.is_dir() or member.filename.startswith("__MACOSX/"):
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
        members = find_members(archive)
        if name not in members:
            held = ", ".join(sorted(members)[:20])
            raise HarnessError(f"{path}: has no member {name}; it holds {held}")
        copy_member(archive, members[name], target)


def copy_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
    """Unpack one member to `target`; never more bytes than it claims.

    Raises:
        HarnessError: if the disk has no room for it.
    """
    free = shutil.disk_usage(target.parent).free
    if member.file_size > free:
        raise HarnessError(
            f"{target.parent}: {member.filename} needs {member.file_size} bytes, {free} are free"
        )
    with archive.open(member) as packed, target.open("wb") as stream:
        shutil.copyfileobj(packed, stream, 1 << 20)
