"""Checkpoint files: written whole or not at all, loaded without executing anything."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from harness.errors import HarnessError
from harness.files import atomic_path


def save_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write `state`, tensors and plain values, atomically."""
    with atomic_path(path) as temporary:
        torch.save(dict(state), temporary)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Load a checkpoint without executing anything in it.

    Raises:
        HarnessError: naming the file, if it is damaged or holds more than plain weights.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # torch raises many types here; all mean that this file is of no use.
        summary = str(error).splitlines()[0]
        raise HarnessError(f"{path}: not a usable checkpoint: {summary}") from error
    if not isinstance(state, dict):
        raise HarnessError(f"{path}: holds a {type(state).__name__}, expected a checkpoint")
    return state
