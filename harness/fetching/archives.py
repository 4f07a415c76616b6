"""Reading of zip archives from elsewhere: members are found by their bare names.

A member is never written under its own name, so that no path or link in an archive can reach
another place of the disk. Damaged data, and data that does not fit on the disk, are refused.
"""

import lzma
import shutil
import struct
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from harness.disk.files import FULL, check_space, require_regular
from harness.errors import HarnessError

# Each compression method raises its own errors for damaged data; `zipfile` raises RuntimeError
# for an encrypted member and NotImplementedError for an unknown method.
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


@contextmanager
def open_archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a zip archive, and report what goes wrong while its members are read.

    Raises:
        HarnessError: naming the archive, if it is damaged or encrypted, or the disk is full.
    """
    try:
        require_regular(path)
        with zipfile.ZipFile(path) as archive:
            yield archive
    except OSError as error:
        full = error.errno in FULL
        problem = "the disk is full while unpacking" if full else "damaged or not readable"
        raise HarnessError(f"{path}: {problem}: {error}") from error
    except BROKEN as error:
        problem = "damaged, or not a plain zip archive"
        raise HarnessError(f"{path}: {problem}: {error!r}; replace it") from error


def find_members(archive: zipfile.ZipFile, names: Collection[str]) -> dict[str, zipfile.ZipInfo]:
    """Return the members whose paths end with one of `names`, in whatever folder they lie.

    A name may have folders (`optical/a.tif`). The archive's own name counts as the outermost
    folder, so that `a.tif` of `optical.zip` is found, too.

    Raises:
        HarnessError: if two members have the same one of these names.
    """
    found: dict[str, zipfile.ZipInfo] = {}
    depths = {len(PurePosixPath(name).parts) for name in names}
    root = PurePosixPath(Path(archive.filename or "").stem)
    for member in archive.infolist():
        parts = (root / member.filename).parts
        for name in {"/".join(parts[-depth:]) for depth in depths}.intersection(names):
            if member.is_dir():
                continue
            if name in found:
                raise HarnessError(f"{archive.filename}: holds {name} twice; keep one")
            found[name] = member
    return found


def extract_member(path: Path, name: str, target: Path) -> None:
    """Unpack the member with the bare name `name` to `target`.

    Raises:
        HarnessError: if there is no such member, it is damaged, or the disk has no room for it.
    """
    with open_archive(path) as archive:
        members = find_members(archive, [name])
        if name not in members:
            held = ", ".join(sorted(archive.namelist())[:20])
            raise HarnessError(f"{path}: has no member {name}; it holds {held}")
        copy_member(archive, members[name], target)


def copy_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
    """Unpack one member to `target`, in small pieces.

    `zipfile` stops at the size that the archive states, so the room that is checked suffices.

    Raises:
        StorageError: if the disk has no room for it.
        HarnessError: if the member is shorter than the archive states.
    """
    check_space(target.parent, member.file_size, member.filename)
    with archive.open(member) as packed, target.open("wb") as stream:
        shutil.copyfileobj(packed, stream, 1 << 20)
        size = stream.tell()
    if size != member.file_size:
        raise HarnessError(
            f"{archive.filename}: damaged: its member {member.filename} has {size} bytes, "
            f"expected {member.file_size}; replace it"
        )
