"""The memory that fusing an image takes, estimated from two small images before any work."""

import math
import weakref
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from harness.errors import MethodFailure, as_method_failure
from harness.machine.device import tiny_numbers_as_zero
from harness.methods.contract import Method

SIDES = (96, 192)
"""Sides of the two images that are fused to see how the memory grows."""
WORKSPACES = 1.5
"""Memory of a process over that of its tensors: convolutions copy what they read. For 20 networks
it was 1.0 to 1.7 (`tests/harness/test_memory.py` measures three of them)."""
AROUND = 100
"""Bytes per pixel that the harness holds beside the method: sources, output and stretches."""
GROWING = 1.1
"""Growth of the bytes per pixel, from the small image to the larger, that is more than chance."""


@dataclass(frozen=True)
class MemoryUse:
    """Bytes of one call of a method: `linear` per pixel, and `square` per square of pixels."""

    linear: float
    square: float = 0.0

    def bytes_of(self, pixels: int) -> int:
        """Return the bytes that a call with so many pixels takes."""
        return round((self.linear + AROUND) * pixels + self.square * pixels**2)

    def most_pixels(self, room: int) -> int:
        """Return the number of pixels whose call takes `room` bytes."""
        half = (self.linear + AROUND) / 2
        # The root of a quadratic equation, in the form that needs no division by `square`.
        return int(room / (half + math.sqrt(half**2 + self.square * room)))


def memory_use(method: Method, device: torch.device) -> MemoryUse | None:
    """Fuse two small images of noise and count the bytes of tensors that are alive at once.

    Returns:
        The use of one call; None if the method cannot fuse noise, which real images will show.
    """
    pixels = [side * side for side in SIDES]
    try:
        first, second = (
            _peak(method, side, device) / n for side, n in zip(SIDES, pixels, strict=True)
        )
    except MethodFailure:
        return None
    if second < GROWING * first:
        return MemoryUse(WORKSPACES * second)
    square = (second - first) / (pixels[1] - pixels[0])
    return MemoryUse(WORKSPACES * (second - square * pixels[1]), WORKSPACES * square)


def _peak(method: Method, side: int, device: torch.device) -> int:
    generator = torch.Generator().manual_seed(0)
    infrared, visible = (
        torch.rand(1, 1, side, side, generator=generator).to(device) for _ in range(2)
    )
    gpus = [device] if device.type == "cuda" else []
    # A method that draws numbers has to draw the same ones for the real images.
    with (
        torch.random.fork_rng(gpus),
        torch.no_grad(),
        tiny_numbers_as_zero(),
        as_method_failure("noise"),
        _LiveTensors() as live,
    ):
        method.fuse(infrared, visible)
    peak: int = live.peak
    return peak


class _LiveTensors(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of all tensors that operations make, until each of them is freed."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = self._now = 0
        self._known: set[int] = set()

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor):
                self._count(leaf.untyped_storage())
        return result

    def _count(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key not in self._known:
            self._known.add(key)
            self._now += size
            self.peak = max(self.peak, self._now)
            weakref.finalize(storage, self._free, key, size)

    def _free(self, key: int, size: int) -> None:
        self._known.discard(key)
        self._now -= size
