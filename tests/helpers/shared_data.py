"""The third-party golden data: beside the repository, or in the folder `SEGFANET_SHARED`."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

SHARED = Path(os.environ.get("SEGFANET_SHARED", Path(__file__).resolve().parents[3] / "shared"))
CHECKPOINTS = SHARED / "checkpoints"


def need(path):
    """Return the path, or skip the test if it does not exist."""
    if not path.exists():
        pytest.skip(f"third-party reference data do not exist: {path}")
    return path


def golden(name):
    """Open a golden file of `parity/`."""
    return np.load(need(SHARED / "parity" / f"{name}.npz"), allow_pickle=False)


def tensor(data, key):
    return torch.from_numpy(data[key])
