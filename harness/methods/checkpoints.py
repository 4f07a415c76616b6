"""Checkpoint files: written whole or not at all, loaded without executing anything."""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from harness.disk.files import atomic_path
from harness.errors import HarnessError


def save_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write `state`, tensors and plain values, atomically.

    Raises:
        StorageError: naming the file, if the disk is full or cannot be written to.
    """
    # Through a stream, because torch's own writer does not say that the disk is full.
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        try:
            torch.save(dict(state), stream)
        except RuntimeError as error:
            # What closing a half archive raises hides why it is half.
            raise error.__context__ or error from None


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Load a checkpoint without executing anything in it.

    Raises:
        HarnessError: naming the file, if it is damaged or holds more than plain weights.
    """
    try:
        _check_sums(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # torch raises many types here; all mean that this file is of no use.
        summary = next(iter(str(error).splitlines()), type(error).__name__)
        raise HarnessError(f"{path}: not a usable checkpoint: {summary}") from error
    if not isinstance(state, dict):
        raise HarnessError(f"{path}: holds a {type(state).__name__}, expected a checkpoint")
    return state


def _check_sums(path: Path) -> None:
    """Check what torch writes beside every tensor and does not look at when it loads."""
    if not zipfile.is_zipfile(path):
        # The format before torch 1.6, which has no sums.
        return
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise ValueError(f"its part {damaged} is damaged")
