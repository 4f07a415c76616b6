"""Hashes of files whose publisher states none: recorded on first use, enforced from then on."""

import re
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from harness.disk.files import owner_of, read_json, write_json
from harness.errors import HarnessError, StorageError

NAME = "sources.lock.json"


@dataclass(frozen=True)
class FirstUseHashes:
    """The lock file of one cache: file name → SHA-256. Several jobs may use it at once."""

    cache: Path

    @property
    def path(self) -> Path:
        """The lock file, which people may read and correct."""
        return self.cache / NAME

    def get(self, name: str) -> str:
        """Return the recorded SHA-256 of the file called `name`, or an empty string.

        Raises:
            HarnessError: if the lock file is damaged.
        """
        return self._read().get(name, "")

    def record(self, name: str, sha256: str) -> None:
        """Record the SHA-256 of a file that is seen for the first time.

        Raises:
            StorageError: if the cache cannot be written to.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(self.path.with_name(f".{NAME}.lock")):
                write_json(self.path, {**self._read(), name: sha256})
        except OSError as error:
            whose = owner_of(self.cache)
            raise StorageError(
                f"{self.path}: the hash of {name} cannot be recorded: {error}{whose}; "
                "make the folder writable, or name another cache"
            ) from error

    def _read(self) -> dict[str, str]:
        if not self.path.exists():
            return {}
        hashes = read_json(self.path)
        values = hashes.values() if isinstance(hashes, dict) else [None]
        if not all(re.fullmatch("[0-9a-f]{64}", str(value)) for value in values):
            raise HarnessError(
                f"{self.path}: damaged; restore it, or delete it to record the hashes again"
            )
        return dict(hashes)
