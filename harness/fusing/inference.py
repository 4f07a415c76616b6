"""Running one method over the test tiles of a store, under the guard of the contract."""

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from harness.disk.files import atomic_path, release_pages
from harness.errors import as_method_failure
from harness.machine.device import keep_freed_memory, synchronise
from harness.machine.isolation import Beat
from harness.methods.contract import Method, check_fused
from harness.methods.spec import MethodSpec
from harness.methods.weights import load_weights
from harness.pixels import STRETCHES
from harness.terminal import progress
from harness.tiles.array_file import TileFile
from harness.tiles.store import Pairs

CHUNK = 8
"""Tiles stretched together; even, so that no pair of `minmax_rgb_batch2` is torn."""


@dataclass
class Timer:
    """Milliseconds an image of every call, the first (warm-up) left out of the median."""

    calls: list[float] = field(default_factory=list)

    def milliseconds_an_image(self) -> float | None:
        """Median over the calls after the first; None without any call."""
        counted = self.calls[1:] or self.calls
        return round(statistics.median(counted), 3) if counted else None


def load_method(
    spec: MethodSpec, device: torch.device, weights: Path | None, classes: int
) -> Method:
    """Construct a method for inference, with the weights of a file if it has any.

    Args:
        spec: the method.
        device: where it shall run.
        weights: file to load; None leaves a network as its class made it.
        classes: of the data set, 0 if it has no labels.

    Raises:
        MethodFailure: if the folder's code raises or the weights do not fit.
        HarnessError: if the file is damaged.
    """
    keep_freed_memory()
    method: Method = spec.load_for(classes)
    if isinstance(method, torch.nn.Module):
        if weights is not None:
            load_weights(method, weights)
        with as_method_failure("cannot be loaded"):
            method.to(device).eval()
    return method


def fuse_pairs(
    spec: MethodSpec,
    method: Method,
    infrared: NDArray[np.uint8],
    visible: NDArray[np.uint8],
    names: list[str],
    device: torch.device,
    timer: Timer,
) -> NDArray[np.float32]:
    """Fuse (n, H, W) uint8 pairs into (n, H, W) float32 in [0, 1], `spec.batch` at a time.

    Args:
        spec: the method's declaration.
        method: the method, on the device.
        infrared: (n, H, W) uint8.
        visible: (n, H, W) uint8 luma.
        names: of the pairs, for messages.
        device: where the method is.
        timer: gets the milliseconds of every call.

    Raises:
        MethodFailure: naming the tile, if the method raises or breaks the contract.
    """
    parts = []
    for start in range(0, len(names), spec.batch):
        part = slice(start, start + spec.batch)
        sources = [to_tensor(images[part], device) for images in (infrared, visible)]
        synchronise(device)
        began = time.perf_counter()
        fused = call_fuse(method, *sources, what=f"tile {names[start]}")
        synchronise(device)
        timer.calls.append(1000 * (time.perf_counter() - began) / len(sources[0]))
        parts.append(check_fused(fused, *sources, tiles=names[part], clamp=spec.clamp))
    return np.concatenate(parts)


def call_fuse(
    method: Method, infrared: torch.Tensor, visible: torch.Tensor, *, what: str
) -> torch.Tensor:
    """Fuse copies of a batch (B, 1, H, W), without gradients; nothing is checked.

    Raises:
        MethodFailure: naming `what` is fused, if the method raises.
    """
    with as_method_failure(what), torch.no_grad():
        return method.fuse(infrared.clone(), visible.clone())


def to_tensor(images: NDArray[np.uint8], device: torch.device) -> torch.Tensor:
    """Bring uint8 pictures (B, H, W) to a device as float32 (B, 1, H, W) in [0, 1]."""
    # A copy, because the store's memory map cannot be written to.
    pixels = torch.from_numpy(np.array(images)).to(device)
    return pixels[:, None].to(torch.float32) / 255


def write_fused_stack(
    path: Path,
    spec: MethodSpec,
    method: Method,
    stretch: str,
    pairs: Pairs,
    names: list[str],
    device: torch.device,
    beat: Beat,
) -> Timer:
    """Fuse a whole split and write the (N, H, W) uint8 stack that is measured.

    Args:
        path: the stack.
        spec: the method's declaration.
        method: the method, on the device.
        stretch: of the output, one of `STRETCHES`.
        pairs: the tiles.
        names: of the tiles, for messages.
        device: where the method is.
        beat: called after every few tiles.

    Returns:
        The time of every call.

    Raises:
        MethodFailure: naming the tile, if the method raises or breaks the contract.
        StorageError: if the disk is full or cannot be written to.
    """
    timer = Timer()
    with open_stack(path, pairs) as stack:
        for part in progress(list(_chunks(len(pairs))), f"fusing with {spec.name}"):
            fused = fuse_pairs(
                spec, method, pairs.infrared(part), pairs.visible(part), names[part], device, timer
            )
            write_tiles(stack, part.start, STRETCHES[stretch](fused, pairs.rgb(part)))
            release_pages(pairs.tiles)
            beat()
    return timer


@contextmanager
def open_stack(path: Path, pairs: Pairs) -> Iterator[TileFile]:
    """Open a fused stack (N, H, W) to fill; it appears when it is complete.

    Raises:
        StorageError: if the disk is full or cannot be written to.
    """
    shape = (len(pairs), *pairs.tiles.shape[2:])
    with atomic_path(path) as temporary, TileFile(temporary, shape) as stack:
        yield stack


def write_tiles(stack: TileFile, start: int, tiles: NDArray[np.uint8]) -> None:
    """Put (n, H, W) tiles at `start` and the places after it."""
    for index, tile in enumerate(tiles, start):
        stack.write(index, tile)


def _chunks(count: int) -> Iterator[slice]:
    for start in range(0, count, CHUNK):
        yield slice(start, min(start + CHUNK, count))
