"""Images that lie in the repository beside their adapter."""

from pathlib import Path

from harness.disk.files import sha256
from harness.errors import HarnessError


def check_shipped(path: Path, expected: str) -> None:
    """Check that a shipped image is unchanged: its SHA-256 is `expected`.

    Raises:
        HarnessError: if the file is missing or has another hash.
    """
    if not path.is_file():
        raise HarnessError(f"{path}: missing; it is part of the repository, check it out again")
    found = sha256(path)
    if found != expected:
        raise HarnessError(
            f"{path}: its sha256 is {found}, expected {expected}; check it out again"
        )
