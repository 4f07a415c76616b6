"""Weight files that are nothing but arrays one after another, as TensorFlow 1 writes them.

Such a file has no header: names, shapes and order come from the network that reads it.
"""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from harness.errors import HarnessError

FLOAT = np.dtype("<f4")


def read_arrays(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Read a file of little-endian float32 arrays; nothing in it is executed.

    Args:
        path: the file.
        shapes: name → shape of every tensor, in the order of the file. A kernel is
            (out, in, height, width), as torch has it; the file has (height, width, in, out).

    Raises:
        HarnessError: naming the file, if it cannot be read, has another size than all arrays
            together, or holds a value that is not finite.
    """
    counts = [math.prod(shape) for shape in shapes.values()]
    wanted = FLOAT.itemsize * sum(counts)
    try:
        # Compare the size first: a foreign file may be larger than the memory.
        size = path.stat().st_size
        content = path.read_bytes() if size == wanted else b""
    except OSError as error:
        raise HarnessError(f"{path}: cannot be read: {error}") from error
    if len(content) != wanted:
        raise HarnessError(
            f"{path}: found {size} bytes, expected {wanted} for {len(counts)} arrays; the file is "
            "not complete or is another one, so fetch it again"
        )
    parts = np.split(np.frombuffer(content, FLOAT), np.cumsum(counts)[:-1])
    arrays = dict(zip(shapes, parts, strict=True))
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise HarnessError(f"{path}: {name} is not finite; the file is damaged, fetch it again")
    return {name: _as_torch(array, shapes[name]) for name, array in arrays.items()}


def _as_torch(array: np.ndarray, shape: tuple[int, ...]) -> Tensor:
    if len(shape) == 4:
        outputs, inputs, height, width = shape
        array = array.reshape(height, width, inputs, outputs).transpose(3, 2, 0, 1)
    return torch.from_numpy(array.reshape(shape).astype(np.float32))
