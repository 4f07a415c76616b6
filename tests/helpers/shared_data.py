"""Where the third-party golden data lie: beside the repository, or where the variable says."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

SHARED = Path(os.environ.get("SEGFANET_SHARED", Path(__file__).resolve().parents[3] / "shared"))
CHECKPOINTS = SHARED / "checkpoints"


def need(path):
    """Return the path, or skip the test because it is not there."""
    if not path.exists():
        pytest.skip(f"third-party reference data are not here: {path}")
    return path


def golden(name):
    """Open a golden file of `parity/`."""
    return np.load(need(SHARED / "parity" / f"{name}.npz"), allow_pickle=False)


def tensor(data, key):
    return torch.from_numpy(data[key])
