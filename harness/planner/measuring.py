"""Short measurements of what one training step, one fused tile, one measured tile cost here."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

import metrics
from harness.errors import HarnessError, MethodFailure
from harness.fusing.command import fuse_pictures
from harness.fusing.cost import gflops, parameters
from harness.fusing.inference import load_method
from harness.machine.device import synchronise
from harness.methods.contract import Batch
from harness.methods.recipe import Recipe
from harness.methods.spec import MethodSpec
from harness.planner.jobs import Tiles
from harness.scenes.scene import BANDS, INFRARED, LABEL, Dataset, Scene
from harness.tiles.cutting import Tiling, write_store
from harness.tiles.store import Pairs
from harness.training.batches import to_batch
from harness.training.engine import Training
from harness.training.precision import Precision

STATES = 4
"""Copies of the parameters in training: values, gradients, the two moments of Adam."""
FEW = 2
"""Tiles that operations and memory of a training pass are counted on, or that are fused on a
processor: both grow with the number of tiles alone."""
WARM_UP_SECONDS = 2.0
"""A first call shorter than this is taken for the warm-up of a second."""


@dataclass(frozen=True)
class Cost:
    """What was measured of one kind of job.

    seconds: a step or a tile; None if it could not be measured, for `failure`. memory: bytes
    on the device, None if unknown. gflop: 10⁹ operations a step or a pair. checkpoint: bytes.
    """

    seconds: float | None = None
    memory: int | None = None
    parameters: int | None = None
    gflop: float | None = None
    checkpoint: int = 0
    failure: str = ""


@dataclass(frozen=True)
class Setting:
    """Where and how long to measure: device, threads, training steps that are timed."""

    device: torch.device
    threads: int
    steps: int

    def for_method(self, spec: MethodSpec) -> torch.device:
        """The device that a method runs on."""
        return torch.device(spec.device_for(str(self.device)))


def measured(measure: Callable[..., Cost], *arguments: Any) -> Cost:
    """Call one of the functions below; what a method does wrong costs its own row alone."""
    try:
        return measure(*arguments)
    except HarnessError as error:
        return Cost(failure=str(error))
    except Exception as error:
        return Cost(failure=f"{type(error).__name__}: {error}")


def training_cost(spec: MethodSpec, tiles: Tiles, setting: Setting) -> Cost:
    """Train a few steps on noise.

    Memory is what CUDA allocated at most; on a processor it is estimated as four copies of
    the parameters (values, gradients, Adam's two moments) and what autograd saves of one
    forward pass, which leaves out gradients of activations and workspaces.

    Raises:
        HarnessError: if the method cannot be trained on such tiles.
    """
    if not tiles.train:
        raise MethodFailure("the data set has no training tiles")
    if spec.needs_labels and not tiles.classes:
        raise MethodFailure("needs labels to train, and the data set has none")
    device = setting.for_method(spec)
    method: Any = load_method(spec, device, None, tiles.classes)
    recipe = _alone(Recipe.of(spec.train))
    pixels = noise(min(recipe.batch, tiles.train), tiles)
    names = [str(i) for i in range(len(pixels))]
    training = Training(method, recipe, pixels, names, 0, device, fingerprint="")
    part = -(-len(pixels) // recipe.accumulate)
    few = to_batch(torch.from_numpy(pixels[: min(part, FEW)]).to(device))
    gflop, saved = step_footprint(method, few, Precision(recipe.precision, device))
    share = len(few.label) / part
    if device.type == "cuda" or recipe.compile:
        training.advance()
    _forget_peak(device)
    seconds = _seconds(lambda: [training.advance() for _ in range(setting.steps)], device)
    peak = _peak(device)
    states = STATES * sum(p.numel() * p.element_size() for p in method.parameters())
    return Cost(
        seconds=seconds / setting.steps,
        memory=round(saved / share) + states if peak is None else peak,
        parameters=parameters(method),
        gflop=gflop / share * Recipe.of(spec.train).parts,
        checkpoint=_checkpoint_size(training),
    )


def _alone(recipe: Recipe) -> Recipe:
    """What one of the recipe's processes does; exchanging gradients comes on top."""
    share = recipe.batch // recipe.processes
    return recipe.model_copy(update={"batch": share, "processes": 1})


def _checkpoint_size(training: Training) -> int:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "checkpoint.pt")
        training.save(path)
        return path.stat().st_size


def step_footprint(method: Any, batch: Batch, precision: Precision) -> tuple[float, int]:
    """10⁹ operations of one forward and backward pass, and bytes that autograd keeps for it.

    Args:
        method: a torch module with `training_loss`; gradients are added to its own.
        batch: on the method's device.
        precision: of the forward pass.
    """
    sizes: dict[int, int] = {}
    known = {parameter.untyped_storage().data_ptr() for parameter in method.parameters()}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            sizes[storage.data_ptr()] = storage.nbytes()
        return tensor.detach()

    with FlopCounterMode(display=False) as counter, saved_tensors_hooks(keep, lambda kept: kept):
        with precision.forward():
            terms = method.training_loss(batch)
        precision.backward(torch.stack(list(terms.values())).sum())
    return counter.get_total_flops() / 1e9, sum(sizes.values())


def fusing_cost(spec: MethodSpec, tiles: Tiles, setting: Setting) -> Cost:
    """Fuse one batch of noise, with weights of any values; memory is known on CUDA alone.

    Raises:
        HarnessError: if the method cannot be loaded or run.
    """
    device = setting.for_method(spec)
    most = FEW if device.type == "cpu" else spec.batch
    pixels = noise(min(spec.batch, most, tiles.test), tiles)
    pairs = Pairs(pixels)
    every = slice(None)
    sources = [
        images.astype(np.float32) / np.float32(255)
        for images in (pairs.infrared(every), pairs.visible(every))
    ]
    if spec.command:
        listed = list(zip(*sources, strict=True))
        names = [str(i) for i in range(len(listed))]
        seconds = _seconds(
            lambda: fuse_pictures(spec, listed, names, device, setting.threads), device
        )
        return Cost(seconds / len(listed))
    method = load_method(spec, device, None, tiles.classes)
    infrared, visible = (torch.from_numpy(images)[:, None].to(device) for images in sources)

    def fuse() -> None:
        with torch.no_grad():
            method.fuse(infrared.clone(), visible.clone())

    _forget_peak(device)
    seconds = _settled(fuse, device)
    peak, operations = _peak(device), gflops(method, tiles.shape, device)
    return Cost(seconds / len(pixels), peak, parameters(method), operations)


def scoring_cost(names: tuple[str, ...], tiles: Tiles, setting: Setting) -> Cost:
    """Compute the metrics of a few tiles of noise."""
    pixels = noise(8, tiles)
    cpu = torch.device("cpu")

    def score() -> None:
        metrics.score(
            pixels[:, 0], pixels[:, 1], pixels[:, 2], names=list(names), threads=setting.threads
        )

    score()
    return Cost(_settled(score, cpu) / len(pixels))


def tiling_cost(tiles: Tiles, setting: Setting) -> Cost:
    """Cut and write a few tiles of noise; decoding the pictures comes on top."""
    height, width = tiles.shape
    count = 16
    strip = np.concatenate(list(noise(count, tiles)), axis=-1)

    def read(y: int, x: int, rows: int, columns: int) -> NDArray[np.uint8]:
        return strip[:, y : y + rows, x : x + columns]

    scene = Scene("noise", "train", height, count * width, read)
    dataset = Dataset("noise", (scene,), tuple(str(i) for i in range(max(tiles.classes, 1))))
    size = max(height, width)
    with tempfile.TemporaryDirectory() as folder:
        seconds = _settled(
            lambda: write_store(dataset, Tiling(size, width), Path(folder)), torch.device("cpu")
        )
    return Cost(seconds / count)


def noise(count: int, tiles: Tiles) -> NDArray[np.uint8]:
    """Make (count, 5, H, W) uint8 tiles that no method finds empty, with labels of all classes."""
    rng = np.random.default_rng(0)
    made = rng.integers(0, 256, (count, len(BANDS), *tiles.shape), dtype=np.uint8)
    made[:, LABEL] %= max(tiles.classes, 1)
    made[:, INFRARED] //= 2
    return made


def _seconds(call: Callable[[], object], device: torch.device) -> float:
    synchronise(device)
    began = time.perf_counter()
    call()
    synchronise(device)
    return time.perf_counter() - began


def _settled(call: Callable[[], object], device: torch.device) -> float:
    """Seconds of a call; a short one is made again, because its first time is not typical."""
    seconds = _seconds(call, device)
    return seconds if seconds > WARM_UP_SECONDS else _seconds(call, device)


def _forget_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def _peak(device: torch.device) -> int | None:
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None
