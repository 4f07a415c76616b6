"""Many small trainings of SegFANet, each measured on held-out tiles and kept in a file of its own.

The name of a file depends on everything that decides its result, the network's code included. A
training whose file exists is not repeated, so a killed benchmark loses only what is in progress.
"""

import importlib
import json
import math
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import numpy as np
import torch

from harness.disk.code import file_digest
from harness.disk.files import atomic_path, sha256_json, write_json
from harness.disk.schema import ROOT
from harness.errors import MethodFailure
from harness.machine.allocator import keep_freed_memory
from harness.machine.device import make_deterministic
from harness.methods.recipe import Recipe
from harness.methods.spec import discover, find_method
from harness.scenes.adapters import find_adapter
from harness.tiles.cutting import Tiling, write_store
from harness.tiles.store import TileStore
from harness.training.batches import to_batch
from harness.training.engine import Task, Training
from reports.learning import LIMIT
from segfanet.losses import Sources, similarity_loss

CPU = torch.device("cpu")
SETTINGS = tuple(
    name
    for name, spec in discover().items()
    if spec.folder.name == "segfanet" and spec.asked_by in ("", "ablations")
)
"""The full network, and then the other settings of the paper's tables."""
REAL = ("potsdam_tiles", "whu_tiles")
"""Sets of real tiles; ten of each are downloaded, or found in a mirror."""
RINGS = 4
"""Rings of windows at the border that are also measured alone."""
LIMITS = "limits.json"


@dataclass(frozen=True)
class Trial:
    """One training: method (a row of variants.yaml), data set, side of its tiles, seed.

    options and recipe are the method's. change is `module:function`, which is called with the
    training before its first step, or empty. group names what the tables put in one row.
    """

    method: str
    dataset: str
    side: int
    seed: int
    options: dict = field(default_factory=dict)
    recipe: dict = field(default_factory=dict)
    change: str = ""
    group: str = ""

    def file(self, work):
        """Return the path of the result."""
        decides = {key: value for key, value in asdict(self).items() if key != "group"}
        decides["code"] = [file_digest(file) for file in sorted((ROOT / "segfanet").glob("*.py"))]
        name = f"{self.method}-{self.dataset}-seed{self.seed}"
        return work / f"{name}-{sha256_json(decides)[:12]}.json"


def add_arguments(parser):
    """Add the options that all benchmarks of trainings share."""
    parser.add_argument("--work", type=Path, default=Path("results/benchmarks"))
    parser.add_argument("--mirror", nargs="*", default=[], help="folders that hold the real tiles")
    parser.add_argument("--processes", type=int, default=2, help="trainings at a time; default 2")
    parser.add_argument(
        "--only-print", action="store_true", help="tables of the results so far, without training"
    )


def run(trials, arguments):
    """Train what has no result yet, in this order; return the pairs (trial, result) so far."""
    work = arguments.work
    missing = [trial for trial in trials if not trial.file(work).is_file()]
    if missing and not arguments.only_print:
        work.mkdir(parents=True, exist_ok=True)
        torch.set_num_threads(1)
        keep_freed_memory()
        for dataset, side in sorted({(trial.dataset, trial.side) for trial in missing}):
            _prepare(dataset, side, work, arguments.mirror)
        # A fork would copy the locks of torch's threads.
        with ProcessPoolExecutor(arguments.processes, get_context("spawn")) as pool:
            for line in pool.map(_run, missing, [work] * len(missing)):
                print(line, flush=True)
    files = [(trial, trial.file(work)) for trial in trials]
    return [(trial, json.loads(file.read_text())) for trial, file in files if file.is_file()]


def _prepare(dataset, side, work, mirrors):
    """Write the tiles of a data set, and the L_f of its optimum and of the plain average."""
    folder = work / f"{dataset}-{side}"
    if folder.is_dir():
        return
    options = {}
    if dataset in REAL:
        names = [f"train_{number}" for number in range(1, 11)]
        options = {"pairs": names, "train": names[:8], "test": names[8:], "mirrors": mirrors}
    with atomic_path(folder) as unfinished:
        unfinished.mkdir()
        write_store(find_adapter(dataset).open_dataset(options), Tiling(side, side), unfinished)
        pair = _held_out(TileStore(unfinished))
        optimum = find_method("loss_optimum", {}).load().fuse(*pair)
        limits = {"optimum": losses_of(optimum, *pair), "average": losses_of(sum(pair) / 2, *pair)}
        write_json(unfinished / LIMITS, limits)


def _held_out(store):
    batch = to_batch(torch.from_numpy(np.array(store.tiles("test"))))
    return batch.infrared, batch.visible


def losses_of(fused, *pair):
    """Return Eq. 15 over all SSIM windows, and over all but those of the outermost rings."""
    inside = (..., *[slice(RINGS, -RINGS)] * 2)
    both = ((fused, pair), (fused[inside], [source[inside] for source in pair]))
    return [similarity_loss(image, Sources(*sources)).item() for image, sources in both]


def _run(trial, work):
    """Train, measure, and write the result; return a line about it."""
    torch.set_num_threads(1)
    folder = work / f"{trial.dataset}-{trial.side}"
    began = time.process_time()
    result = {**asdict(trial), **json.loads((folder / LIMITS).read_text())}
    result |= _measured(trial, TileStore(folder))
    result["seconds"] = round(time.process_time() - began, 1)
    write_json(trial.file(work), result)
    return (
        f"{trial.group or trial.method}, {trial.dataset}, seed {trial.seed}: "
        f"held-out L_f {result['held_out'][0]:.4f}, {result['seconds']:.0f} s of processor time"
    )


def _measured(trial, store):
    spec = find_method(trial.method, trial.options)
    recipe = Recipe.of({**spec.train, **trial.recipe, "checkpoint_seconds": 1e9})
    make_deterministic(trial.seed, 1)
    method = spec.load_for(len(store.classes))
    tiles, names = np.array(store.tiles("train")), store.names("train")
    training = Training(method, Task(recipe, tiles, names, CPU, trial.seed))
    if trial.change:
        module, function = trial.change.split(":")
        getattr(importlib.import_module(module), function)(training)
    losses, stopped = [], ""
    try:
        for _ in range(training.total):
            losses.append(training.advance()["fusion"].item())
    except MethodFailure as failure:
        stopped = str(failure)
    pair = _held_out(store)
    method.eval()
    with torch.no_grad():
        raw = torch.cat(
            [method(a[None], b[None], segment=False).fused for a, b in zip(*pair, strict=True)]
        )
    fused = raw.clamp(0, 1)
    return {
        "held_out": losses_of(fused, *pair),
        "worst": max(losses, default=math.nan),
        "deviation": raw.std().item(),
        "constant": bool((fused == fused[:1]).all()),
        "stopped": stopped,
    }


def dead(result):
    """Return whether a training taught nothing: constant images, infinite terms, or a large L_f."""
    held_out, average = result["held_out"][0], result["average"][0]
    return bool(result["stopped"]) or result["constant"] or not held_out <= LIMIT * average


def excess(result):
    """Return how far held-out L_f exceeds its optimum, as a share of the optimum."""
    return result["held_out"][0] / result["optimum"][0] - 1


def border_excess(result):
    """Return the part of the excess that lies in the outermost rings."""
    windows = result["side"] - 10
    inside = (windows - 2 * RINGS) ** 2 / windows**2
    whole, inner = (a - b for a, b in zip(result["held_out"], result["optimum"], strict=True))
    return (whole - inside * inner) / result["optimum"][0]


def spread(values):
    """Return the median and the range as text."""
    values = sorted(values)
    return f"{median(values):.3f} ({values[0]:.3f} to {values[-1]:.3f})"


def recipe_text(trial):
    """Return what a heading has to say: width, precision, rate, steps, batch and tiles."""
    spec = find_method(trial.method, trial.options)
    recipe = Recipe.of({**spec.train, **trial.recipe})
    schedule = f", {recipe.schedule}" + (f" after {recipe.warmup}" if recipe.warmup else "")
    return (
        f"width {spec.options['width']}, {recipe.precision}, "
        f"rate {recipe.learning_rate:g}{schedule}, "
        f"{recipe.steps} steps of {recipe.batch} tiles of {trial.side}×{trial.side}"
    )
