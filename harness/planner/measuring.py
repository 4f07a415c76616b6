"""Measure briefly what one training step, one fused tile and one measured tile cost here."""

import math
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.autograd.graph import saved_tensors_hooks

from harness.disk.files import sha256
from harness.errors import HarnessError, MethodFailure
from harness.fetching.archives import extract_member
from harness.fusing.command import fuse_pictures
from harness.fusing.cost import OperationCounter, gflops, parameters
from harness.fusing.inference import call_fuse, load_method, to_tensor
from harness.fusing.memory import memory_use
from harness.fusing.windows import call_size, fit
from harness.machine.device import synchronise
from harness.methods.contract import Batch
from harness.methods.recipe import Recipe
from harness.methods.spec import MethodSpec
from harness.planner.jobs import Tiles
from harness.scenes.scene import BANDS, INFRARED, LABEL, Dataset, Scene
from harness.tiles.cutting import Tiling, write_store
from harness.tiles.store import Pairs
from harness.training.batches import to_batch
from harness.training.engine import Task, Training
from harness.training.precision import Precision
from metrics.scoring import score_methods

STATES = 4
"""Number of copies of the parameters in training: values, gradients, Adam's two moments."""
FEW = 2
"""Number of tiles that are enough to count the operations and memory of a training pass, and to
time fusing on a CPU: both are proportional to the number of tiles."""
WARM_UP_SECONDS = 2.0
"""If the first call is shorter than this, it only warms up, and a second call is timed."""


@dataclass(frozen=True)
class UnitCost:
    """The measured cost of one unit of work of one kind of job.

    seconds: per step or tile; None if the measurement failed, and then `failure` says why.
    memory: bytes on the device, None if unknown. gflop: 10⁹ operations per step or pair.
    checkpoint: bytes.
    """

    seconds: float | None = None
    memory: int | None = None
    parameters: int | None = None
    gflop: float | None = None
    checkpoint: int = 0
    failure: str = ""


@dataclass(frozen=True)
class Setting:
    """Where and how long to measure: device, threads, number of timed steps."""

    device: torch.device
    threads: int
    steps: int

    def for_method(self, spec: MethodSpec) -> torch.device:
        """Return the device on which a method runs."""
        return torch.device(spec.device_for(str(self.device)))


def measured(measure: Callable[..., UnitCost], *arguments: Any) -> UnitCost:
    """Call one of the functions below; an error of a method only affects its own row."""
    try:
        return measure(*arguments)
    except HarnessError as error:
        return UnitCost(failure=str(error))
    except Exception as error:
        return UnitCost(failure=f"{type(error).__name__}: {error}")


def training_cost(spec: MethodSpec, tiles: Tiles, setting: Setting) -> UnitCost:
    """Measure a few training steps on noise.

    On CUDA, the memory is the peak of the allocations. On a CPU it is estimated as four copies
    of the parameters (values, gradients, Adam's two moments) plus the tensors that autograd
    saves in one forward pass; gradients of activations and workspaces are not included.

    Raises:
        HarnessError: if the method cannot be trained on such tiles.
    """
    if not tiles.train:
        raise MethodFailure("the data set has no training tiles")
    if spec.needs_labels and not tiles.classes:
        raise MethodFailure("needs labels to train, and the data set has none")
    device = setting.for_method(spec)
    method: Any = load_method(spec, device, None, tiles.classes)
    # The share of one process; the exchange of gradients is not included.
    whole = Recipe.of(spec.train)
    share_of_one = {"batch": whole.batch // whole.processes, "processes": 1}
    recipe = whole.model_copy(update=share_of_one)
    pixels = noise(min(recipe.batch, tiles.train), tiles)
    names = [str(i) for i in range(len(pixels))]
    training = Training(method, Task(recipe, pixels, names, device))
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
    return UnitCost(
        seconds=seconds / setting.steps,
        memory=round(saved / share) + states if peak is None else peak,
        parameters=parameters(method),
        gflop=gflop / share * whole.parts,
        checkpoint=_checkpoint_size(training),
    )


def _checkpoint_size(training: Training) -> int:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "checkpoint.pt")
        training.save(path)
        return path.stat().st_size


def step_footprint(method: Any, batch: Batch, precision: Precision) -> tuple[float, int]:
    """Count 10⁹ operations of one forward and backward pass, and the bytes autograd saves.

    `method` is a torch module with `training_loss`, on the device of `batch`; its gradients change.
    """
    sizes: dict[int, int] = {}
    known = {parameter.untyped_storage().data_ptr() for parameter in method.parameters()}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            sizes[storage.data_ptr()] = storage.nbytes()
        return tensor.detach()

    with OperationCounter() as counter, saved_tensors_hooks(keep, lambda kept: kept):
        with precision.forward():
            terms = method.training_loss(batch)
        precision.backward(torch.stack(list(terms.values())).sum())
    return counter.total / 1e9, sum(sizes.values())


def fusing_cost(spec: MethodSpec, tiles: Tiles, setting: Setting) -> UnitCost:
    """Measure fusing one batch of noise with arbitrary weights.

    On a CPU the memory is the estimate by which the fuse stage refuses images, for one call.

    Raises:
        HarnessError: if the method cannot be loaded or run.
    """
    device = setting.for_method(spec)
    most = FEW if device.type == "cpu" else spec.batch
    pixels = noise(min(call_size(spec.batch, tiles.shape), most, tiles.test), tiles)
    pairs = Pairs(pixels)
    sources = [images(slice(None)) for images in (pairs.infrared, pairs.visible)]
    if spec.command:
        listed = list(zip(*(part.astype(np.float32) / 255 for part in sources), strict=True))
        names = [str(i) for i in range(len(listed))]
        seconds = _seconds(
            lambda: fuse_pictures(spec, listed, names, device, setting.threads), device
        )
        return UnitCost(seconds / len(listed))
    method = load_method(spec, device, None, tiles.classes)
    fit(spec, method, [tiles.shape], device)
    infrared, visible = (to_tensor(part, device) for part in sources)
    together = min(call_size(spec.batch, tiles.shape), tiles.test)
    use = None if device.type == "cuda" else memory_use(method, device)
    memory = use.bytes_of(together * math.prod(tiles.shape)) if use else None
    _forget_peak(device)
    seconds = _settled(lambda: call_fuse(method, infrared, visible, what="noise"), device)
    peak, operations = _peak(device), gflops(method, tiles.shape, device)
    return UnitCost(seconds / len(pixels), peak or memory, parameters(method), operations)


def scoring_cost(names: tuple[str, ...], stacks: int, tiles: Tiles, setting: Setting) -> UnitCost:
    """Measure the computation of the metrics of several stacks on a few tiles of noise."""
    pixels = noise(8, tiles)
    fused = {f"{i}": pixels[:, 0] for i in range(stacks)}

    def measure() -> None:
        sources = pixels[:, 1], pixels[:, 2]
        score_methods(fused, *sources, names=list(names), threads=setting.threads)

    measure()
    return UnitCost(_settled(measure, torch.device("cpu")) / len(pixels))


def tiling_cost(tiles: Tiles, setting: Setting) -> UnitCost:
    """Measure cutting and writing a few tiles of noise; decoding images is not included."""
    height, width = tiles.shape
    count = 16
    strip = np.concatenate(list(noise(count, tiles)), axis=-1)

    def read(y: int, x: int, rows: int, columns: int) -> NDArray[np.uint8]:
        return strip[:, y : y + rows, x : x + columns]

    scene = Scene("noise", "train", height, count * width, read)
    dataset = Dataset("noise", (scene,), tuple(str(i) for i in range(max(tiles.classes, 1))))
    tiling, cpu = Tiling(max(height, width), width), torch.device("cpu")
    with tempfile.TemporaryDirectory() as folder:
        seconds = _settled(lambda: write_store(dataset, tiling, Path(folder)), cpu)
    return UnitCost(seconds / count)


def unpacking_rate() -> float:
    """Measure the bytes per second at which a member is copied out of an archive and hashed."""
    size = 32 << 20
    with tempfile.TemporaryDirectory() as folder:
        archive, target = Path(folder, "noise.zip"), Path(folder, "noise.bin")
        with zipfile.ZipFile(archive, "w") as stream:
            stream.writestr(target.name, np.random.default_rng(0).bytes(size))

        def unpack() -> None:
            extract_member(archive, target.name, target)
            sha256(target)

        return size / _settled(unpack, torch.device("cpu"))


def noise(count: int, tiles: Tiles) -> NDArray[np.uint8]:
    """Create (count, 5, H, W) uint8 tiles of noise, with labels of all classes."""
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
    """Return the seconds of a call; repeat a short one, whose first time is not typical."""
    seconds = _seconds(call, device)
    return seconds if seconds > WARM_UP_SECONDS else _seconds(call, device)


def _forget_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def _peak(device: torch.device) -> int | None:
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None
