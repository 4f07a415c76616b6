"""Files that appear complete or not at all, reads that name the file, and content hashes."""

import errno
import glob
import hashlib
import json
import mmap
import os
import platform
import pwd
import shutil
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from harness.disk.images import named_image_errors
from harness.errors import HarnessError, StorageError
from metrics.images import check_regular

# EFBIG: the file exceeds a limit of the process or of the file system.
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
FORBIDDEN = {errno.EROFS, errno.EACCES, errno.EPERM}
MOST_TIMES = 64
"""Paths on which one folder is entered in a walk."""
Place = tuple[int, int]
"""Device and inode of a file or folder."""
BROKEN = {errno.EIO, errno.ESTALE}
LONGEST_NAME = 128
"""Number of bytes of a name that a temporary name repeats; file systems allow 255 for all."""


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`, and rename it to `path` if the block succeeds.

    If the block raises, the temporary file is removed, so that neither a failure nor a full
    disk leaves half a result under the final name. If the process is killed, the next process
    that writes to `path` removes the temporary file.

    Raises:
        StorageError: naming the file, if the disk is full, broken or cannot be written to.
    """
    temporary = path.with_name(f"{_stem(path)}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_stale(path)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        problem = _refusal(error, temporary)
        if not problem:
            raise
        raise StorageError(f"{path}: {problem}") from error
    finally:
        if temporary.exists():
            temporary.unlink()


def remove_stale(path: Path) -> None:
    """Remove temporary files for `path` of this machine's processes that no longer run."""
    for stale in path.parent.glob(f"{glob.escape(_stem(path))}.*.tmp"):
        owner = stale.name.split(".")[-2]
        if owner.isdecimal() and not _runs(int(owner)):
            stale.unlink(missing_ok=True)


def _stem(path: Path) -> str:
    """Return the beginning of temporary names for `path` that processes of this machine use."""
    name = os.fsencode(path.name)
    known = path.name if len(name) <= LONGEST_NAME else hashlib.sha256(name).hexdigest()
    return f".{known}.{platform.node()}"


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        # The process belongs to another user, but it runs.
        return True
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return True
    # Z: it has ended, but no parent has asked for its exit status, as is common in containers.
    return state != "Z"


def _refusal(error: OSError, temporary: Path) -> str:
    """Return why the disk refused a write; empty if the error has another cause."""
    folder = temporary.parent
    # numpy reports an incomplete write without an error number.
    if error.errno in FULL or (error.errno is None and "written" in str(error)):
        return f"the disk is full ({error}); free some space and run again"
    ours = error.filename is None or Path(os.fsdecode(error.filename)) in (temporary, folder)
    if error.errno == errno.EROFS or (error.errno in FORBIDDEN and ours):
        return f"the folder cannot be written to ({error}){owner_of(folder)}"
    if error.errno in BROKEN:
        return f"the disk or network drive failed ({error}); check it and run again"
    return ""


def owner_of(place: Path) -> str:
    """Return whose a file or folder is, for a message; empty if it is ours or not known."""
    try:
        owner = place.lstat().st_uid
    except OSError:
        return ""
    if owner == os.geteuid():
        return ""
    try:
        return f"; it belongs to {pwd.getpwuid(owner).pw_name}"
    except KeyError:
        return f"; it belongs to user {owner}"


@contextmanager
def naming_owners() -> Iterator[None]:
    """Say whose file it is where several users share a folder and one may not use a file.

    Raises:
        HarnessError: naming the file and its owner.
    """
    try:
        yield
    except PermissionError as error:
        if error.filename is None:
            raise
        place = Path(os.fsdecode(error.filename))
        while not _is_visible(place) and place != place.parent:
            place = place.parent
        raise HarnessError(
            f"{place}: permission denied{owner_of(place)}; make it readable and writable for all "
            "who share the folder, or name another folder"
        ) from error


def _is_visible(place: Path) -> bool:
    try:
        return bool(place.lstat())
    except OSError:
        return False


def refuse_overwriting(outputs: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Refuse to write onto a file or folder that is read, however its path is spelled.

    Two paths to the same place are recognised through hard links, symbolic links, `..` and, on
    file systems that ignore it, letter case. Call this before anything is written.

    A folder stands for itself only: name the files in it too, if they must not be replaced.

    Raises:
        HarnessError: naming the output and the input that are the same.
    """
    read = {_identity(path): path for path in inputs}
    for output in outputs:
        source = read.get(_identity(output))
        if source is not None:
            raise HarnessError(
                f"{output}: this output is the same file or folder as the input {source}, which "
                "would be overwritten; name another output"
            )


def _identity(path: Path) -> tuple[int, int] | str:
    """Return what `os.path.samefile` compares; the resolved path if nothing is there yet."""
    # Resolved first: `new/..` exists only once `new` has been made.
    resolved = Path(os.path.realpath(path))
    try:
        status = resolved.stat()
    except OSError:
        return os.path.normcase(resolved)
    return status.st_dev, status.st_ino


def check_space(folder: Path, needed: int, what: str) -> None:
    """Refuse to write `needed` bytes into a folder whose disk has fewer left.

    Raises:
        StorageError: naming the folder, what there is no room for (`what`), and both sizes.
    """
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise StorageError(
            f"{folder}: no room for {what}: {size_text(needed)} are needed, only "
            f"{size_text(free)} are free; free some space and run again"
        )


def size_text(count: int) -> str:
    """Return a number of bytes as text with three digits and a unit, such as `1.25 GB`."""
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= unit:
            return f"{count / unit:.3g} {name}"
    return f"{count} bytes"


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 `text` to `path` atomically; halves of characters become escapes."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON to `path` atomically."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        HarnessError: naming the file, if it is missing or damaged.
    """
    try:
        with naming_owners(), open_regular(path) as stream:
            return json.loads(stream.read().decode("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise HarnessError(f"{path}: cannot be read as JSON: {error}") from error


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits.

    Raises:
        HarnessError: naming what is no regular file, or cannot be read to its end.
    """
    with open_regular(path) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def require_regular(path: Path) -> None:
    """Refuse what is no regular file: a pipe, socket or device may give no end of bytes.

    Raises:
        HarnessError: naming the file and what it is.
        OSError: if there is no such file.
    """
    with named_image_errors():
        check_regular(path)


@contextmanager
def open_regular(path: Path) -> Iterator[BufferedReader]:
    """Open a regular file to read its bytes.

    Raises:
        HarnessError: naming what is no regular file, or a file whose disk fails.
    """
    require_regular(path)
    try:
        with path.open("rb") as stream:
            yield stream
    except OSError as error:
        if error.errno not in BROKEN:
            raise
        raise HarnessError(f"{path}: the disk or network drive failed ({error})") from error


def sha256_json(value: Any) -> str:
    """Return the SHA-256 of a JSON value; the order of its keys is irrelevant."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def walk(
    folder: Path, without: Collection[str] = (), *, unreadable: bool = False
) -> Iterator[Path]:
    """Yield every file below a folder in any order, also through links; hidden ones are left out.

    A link that leads in a circle is not followed, whichever folder it leads to. Nor is a folder
    that links show again and again (`MOST_TIMES`), since their paths may double at every level.

    Args:
        folder: where to begin.
        without: names of folders that are left out.
        unreadable: whether folders that cannot be listed are left out.

    Raises:
        OSError: if a folder cannot be listed, and those are not left out.
    """
    times: Counter[Place] = Counter()
    waiting: list[tuple[Path, frozenset[Place]]] = [(folder, frozenset())]
    while waiting:
        place, above = waiting.pop()
        try:
            status = place.stat()
            entries = list(os.scandir(place))
        except OSError:
            if unreadable:
                continue
            raise
        here = status.st_dev, status.st_ino
        times[here] += 1
        if here in above or times[here] > MOST_TIMES:
            continue
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if not _is_folder(entry):
                yield place / entry.name
            elif entry.name not in without:
                waiting.append((place / entry.name, above | {here}))


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:
        # A link that leads to itself.
        return False


def release_pages(*arrays: NDArray[Any]) -> None:
    """Remove memory-mapped arrays from the memory of the process; the files keep every byte.

    Every page that was touched counts as memory of the process until the system needs the room.
    A job that walks through a data set would in the end count as much memory as all of it.
    """
    for array in arrays:
        mapping = getattr(array, "_mmap", None)
        if mapping is not None and hasattr(mmap, "MADV_DONTNEED"):
            mapping.madvise(mmap.MADV_DONTNEED)
