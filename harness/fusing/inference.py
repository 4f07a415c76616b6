"""Run a Python method over the test tiles, and check each call against the contract."""

import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from harness.disk.files import release_pages
from harness.errors import as_method_failure
from harness.fusing.job import Float, FusingJob
from harness.fusing.windows import call_size
from harness.machine.allocator import keep_freed_memory
from harness.machine.device import synchronise, tiny_numbers_as_zero
from harness.machine.isolation import Heartbeat
from harness.methods.contract import Method, check_fused, extended
from harness.methods.spec import MethodSpec
from harness.methods.weights import load_weights
from harness.terminal import progress

LARGE_OPERATION = 1 << 16
"""Number of elements that torch computes with several threads, from 32,768 on."""


@dataclass
class Timer:
    """Milliseconds per image of every call of `fuse`."""

    calls: list[float] = field(default_factory=list)

    def milliseconds_per_image(self) -> float | None:
        """Return the median without the first call, which warms up; None if there is no call."""
        counted = self.calls[1:] or self.calls
        return round(statistics.median(counted), 3) if counted else None


def load_method(
    spec: MethodSpec, device: torch.device, weights: Path | None, classes: int
) -> Method:
    """Construct a method for inference and load its weights; None keeps its initial values.

    `classes` is the number of classes of the data set, 0 if it has no labels.

    Raises:
        MethodFailure: if the folder's code raises or the weights do not fit.
        HarnessError: if the file is damaged.
    """
    keep_freed_memory()
    with tiny_numbers_as_zero():
        # At the first large operation torch starts its threads, and they keep this setting.
        torch.zeros(LARGE_OPERATION).add_(1)
        method: Any = spec.load_for(classes)
        if isinstance(method, torch.nn.Module):
            if weights is not None:
                load_weights(method, weights)
            with as_method_failure("cannot be loaded"):
                method.to(device).eval()
    if spec.size_multiple > 1:
        method.fuse = extended(method.fuse, spec.size_multiple)
    return cast(Method, method)


def write_fused_stack(
    job: FusingJob, method: Method, device: torch.device, heartbeat: Heartbeat
) -> Timer:
    """Fuse all tiles of a job, write its stack, and return the time of every call.

    Raises:
        MethodFailure: naming the tile, if the method raises or breaks the contract.
        StorageError: if the disk is full or is not writable.
    """
    timer = Timer()
    with job.open_stacks() as write:
        for part in progress(job.parts(), f"fusing with {job.spec.name}"):
            write(part, _fuse_part(job, method, part, device, timer))
            release_pages(job.pairs.tiles)
            heartbeat()
    return timer


def _fuse_part(
    job: FusingJob, method: Method, part: slice, device: torch.device, timer: Timer
) -> Float:
    """Fuse one part of the tiles into (n, H, W) float32 in [0, 1], `call_size` per call."""
    infrared, visible, names = job.pairs.infrared(part), job.pairs.visible(part), job.names[part]
    outputs = []
    together = call_size(job.spec.batch, infrared.shape[1:])
    for start in range(0, len(names), together):
        call = slice(start, start + together)
        sources = [to_tensor(images[call], device) for images in (infrared, visible)]
        synchronise(device)
        began = time.perf_counter()
        fused = call_fuse(method, *sources, what=f"tile {names[start]}")
        synchronise(device)
        timer.calls.append(1000 * (time.perf_counter() - began) / len(sources[0]))
        outputs.append(check_fused(fused, *sources, tiles=names[call], clamp=job.spec.clamp))
    return np.concatenate(outputs)


def call_fuse(
    method: Method, infrared: torch.Tensor, visible: torch.Tensor, *, what: str
) -> torch.Tensor:
    """Fuse copies of a batch (B, 1, H, W) without gradients; the output is not checked.

    Raises:
        MethodFailure: naming `what` is fused, if the method raises.
    """
    with as_method_failure(what), torch.no_grad(), tiny_numbers_as_zero():
        return method.fuse(infrared.clone(), visible.clone())


def to_tensor(images: NDArray[np.uint8], device: torch.device) -> torch.Tensor:
    """Convert uint8 images (B, H, W) to float32 (B, 1, H, W) in [0, 1] on the device."""
    # Copy the images, because the memory map of the store is read-only.
    pixels = torch.from_numpy(np.array(images)).to(device)
    return pixels[:, None].to(torch.float32) / 255
