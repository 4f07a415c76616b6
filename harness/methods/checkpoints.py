"""Checkpoint files: written completely or not at all, and loaded without executing code."""

import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from harness.disk.files import atomic_path, require_regular
from harness.errors import HarnessError


def save_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write `state`, which holds tensors and plain values, atomically; equal states, equal bytes.

    Raises:
        StorageError: naming the file, if the disk is full or is not writable.
    """
    # Write through a stream, because torch's own writer does not report a full disk.
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        try:
            torch.save(_canonical(state), stream)
        except RuntimeError as error:
            # Closing an incomplete archive raises too, and hides the original error.
            raise error.__context__ or error from None


def _canonical(value: Any) -> Any:
    """Rebuild plain containers, with one object per text.

    A file of torch refers back to an object that it holds already. Which equal texts are one object
    depends on whether the state was computed or loaded from an earlier checkpoint.
    """
    if isinstance(value, str):
        return sys.intern(value)
    if type(value) in (list, tuple):
        return type(value)(map(_canonical, value))
    if type(value) is dict:
        return {_canonical(key): _canonical(item) for key, item in value.items()}
    return value


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Load a checkpoint to the CPU without executing code from it.

    Raises:
        HarnessError: naming the file, if it is damaged or holds more than plain values.
    """
    try:
        require_regular(path)
        # Files of the format before torch 1.6 are no archives and have no checksums; torch
        # writes checksums into newer ones, but does not check them on loading.
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                damaged = archive.testzip()
            if damaged is not None:
                raise ValueError(f"its part {damaged} is damaged")
        state = torch.load(path, map_location="cpu", weights_only=True)
    except HarnessError:
        raise
    except Exception as error:
        # torch raises many types of errors here; each means that the file is not usable.
        summary = next(iter(str(error).splitlines()), type(error).__name__)
        raise HarnessError(f"{path}: not a usable checkpoint: {summary}") from error
    if not isinstance(state, dict):
        raise HarnessError(f"{path}: holds a {type(state).__name__}, expected a checkpoint")
    return state
