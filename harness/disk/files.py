"""Writes that are seen whole or not at all, reads that name the file, and content hashes."""

import errno
import hashlib
import json
import mmap
import os
import platform
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from harness.errors import HarnessError, StorageError

# EFBIG is a limit of the process or of the file system.
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
FORBIDDEN = {errno.EROFS, errno.EACCES, errno.EPERM}


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; rename it to `path` if the block succeeds.

    The temporary file is removed when the block raises, so that neither a failure nor a
    full disk leaves half a result under the final name. What a killed process left behind
    is removed by the next one that writes to `path`.

    Raises:
        StorageError: naming the folder, if the disk is full or cannot be written to.
    """
    temporary = path.with_name(f".{path.name}.{platform.node()}.{os.getpid()}.tmp")
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
    """Remove temporary files of processes of this machine that no longer run."""
    for stale in path.parent.glob(f".{path.name}.{platform.node()}.*.tmp"):
        owner = stale.name.split(".")[-2]
        if owner.isdecimal() and not _runs(int(owner)):
            stale.unlink(missing_ok=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        # It belongs to somebody else, but it is there.
        return True
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return True
    # Ended, but nobody has asked for its exit status: usual in a container.
    return state != "Z"


def _refusal(error: OSError, temporary: Path) -> str:
    """Say why the disk refused a write; empty if the error is about something else."""
    folder = temporary.parent
    # A short write by numpy comes without a number.
    if error.errno in FULL or (error.errno is None and "written" in str(error)):
        return f"the disk is full ({error}); free some space and run again"
    ours = error.filename is None or Path(os.fsdecode(error.filename)) in (temporary, folder)
    if error.errno == errno.EROFS or (error.errno in FORBIDDEN and ours):
        return f"the folder cannot be written to ({error})"
    return ""


def refuse_overwriting(outputs: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Refuse to write onto a file or folder that is read, however its path is spelled.

    Two paths to the same place are recognised through hard links, symbolic links, `..` and, on
    file systems that ignore it, letter case. Call this before anything is written.

    Args:
        outputs: every file that will be written, and the folder that they go to.
        inputs: every file that will be read, and the folders that they come from. A folder
            stands for itself only: name the files in it too, if they must not be replaced.

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
        StorageError: naming the folder, `what` has no room there, and both sizes.
    """
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise StorageError(
            f"{folder}: no room for {what}: {size_text(needed)} are needed, only "
            f"{size_text(free)} are free; free some space and run again"
        )


def size_text(count: int) -> str:
    """Word a number of bytes with three digits."""
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= unit:
            return f"{count / unit:.3g} {name}"
    return f"{count} bytes"


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 `text` to `path` atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON to `path` atomically."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file; a missing or broken one is a HarnessError that names it."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise HarnessError(f"{path}: cannot be read as JSON: {error}") from error


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sha256_json(value: Any) -> str:
    """Return the SHA-256 of a JSON value, independent of the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def release_pages(*arrays: NDArray[Any]) -> None:
    """Take memory-mapped arrays out of the process's memory; what was written to them stays.

    Every page that is touched counts as memory of the process until something else wants the
    room: a whole data set in the end, which no job asked for. The files lose nothing.
    """
    for array in arrays:
        mapping = getattr(array, "_mmap", None)
        if mapping is not None and hasattr(mmap, "MADV_DONTNEED"):
            mapping.madvise(mmap.MADV_DONTNEED)
