"""Hashes seen on first use, where the publisher prints none: enforced from then on."""

import json
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from harness.errors import HarnessError
from harness.files import write_json

NAME = "sources.lock.json"


@dataclass(frozen=True)
class Ledger:
    """The lock file of one cache: file name → SHA-256. Safe for parallel jobs."""

    cache: Path

    @property
    def path(self) -> Path:
        """The file, which people may read and mend."""
        return self.cache / NAME

    def get(self, name: str) -> str:
        """Return the recorded SHA-256 of the file called `name`, or an empty string.

        Raises:
            HarnessError: if the lock file is damaged.
        """
        return self._read().get(name, "")

    def record(self, name: str, sha256: str) -> None:
        """Note the SHA-256 of a file that was seen for the first time."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self.path.with_name(f".{NAME}.lock")):
            write_json(self.path, {**self._read(), name: sha256})

    def _read(self) -> dict[str, str]:
        if not self.path.exists():
            return {}
        try:
            return dict(json.loads(self.path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise HarnessError(
                f"{self.path}: cannot be read ({error}); restore it, or delete it to record anew"
            ) from error
