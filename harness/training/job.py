"""One training as a job: alone in this process, or in several that train together."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing
from torch.multiprocessing.spawn import (
    ProcessException,
    ProcessExitedException,
    ProcessRaisedException,
    start_processes,
)

from harness.contract import MethodFailure
from harness.device import choose_device, make_deterministic
from harness.errors import HarnessError
from harness.files import sha256_json
from harness.methods import MethodSpec
from harness.slots import visible_gpus
from harness.store import TileStore
from harness.training.engine import Training
from harness.training.recipe import Recipe
from harness.training.validation import Validation, held_back

PATIENCE = timedelta(minutes=30)
"""How long a process waits for the others, the slowest validation included."""


@dataclass(frozen=True)
class Job:
    """What decides a training's result, and where its files go.

    `recipe` is a method's `train` section; `threads` are shared by the processes.
    """

    spec: MethodSpec
    recipe: Mapping[str, Any]
    tiles: Path
    seed: int
    device: str
    threads: int
    output: Path

    @property
    def config(self) -> dict[str, Any]:
        """The job as its record shows it."""
        return {
            "method": self.spec.name,
            "options": dict(self.spec.options),
            "recipe": dict(self.recipe),
            "seed": self.seed,
            "device": self.device,
            "threads": self.threads,
        }

    def fingerprint(self) -> str:
        """Identifies everything that a checkpoint depends on."""
        store = TileStore(self.tiles)
        tiles = {"data": store.meta, "tiles": store.names("train")}
        return sha256_json({**self.config, **tiles})

    @property
    def partial(self) -> Path:
        """Checkpoint of an unfinished training."""
        return self.output.with_name("partial.pt")


def train(job: Job) -> dict[str, Any]:
    """Train to the end and write the checkpoint; returns what the record says about it.

    Raises:
        MethodFailure: if the method cannot be trained on these tiles.
        HarnessError: if a process of several was ended from outside. The checkpoint of the
            unfinished training stays, and the next run continues from it.
    """
    count = _recipe(job).processes
    if count == 1:
        return _train_here(job, choose_device(job.device))
    if job.device != "cpu" and 0 < len(visible_gpus()) < count:
        raise HarnessError(
            f"train: `processes` is {count}, but this job sees {len(visible_gpus())} GPU; ask for "
            f"more (`--resources gpu={count}`, CUDA_VISIBLE_DEVICES) or lower `processes`"
        )
    context = torch.multiprocessing.get_context("spawn")
    answers: Any = context.SimpleQueue()
    with tempfile.TemporaryDirectory() as folder:
        meeting = Path(folder, "meeting")
        group = start_processes(  # type: ignore[no-untyped-call]
            _join, (job, count, str(meeting), answers), count, join=False, start_method="spawn"
        )
        try:
            while not group.join():
                pass
        except (ProcessExitedException, ProcessRaisedException) as error:
            if answers.empty():
                raise HarnessError(_what_ended(error, count)) from error
    kind, answer = answers.get()
    if kind == "failure":
        raise MethodFailure(answer)
    return dict(answer)


def _what_ended(error: ProcessException, count: int) -> str:
    how = str(error).strip().splitlines()[-1]
    return (
        f"training process {error.error_index + 1} of {count} ended early, and so the others "
        f"were ended: {how}; run again to continue from the last checkpoint"
    )


def _join(rank: int, job: Job, count: int, meeting: str, answers: Any) -> None:
    """What each of several processes runs."""
    device = choose_device(job.device)
    backend = "nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(
        backend, init_method=f"file://{meeting}", rank=rank, world_size=count, timeout=PATIENCE
    )
    try:
        details = _train_here(job, device)
    except MethodFailure as failure:
        answers.put(("failure", str(failure)))
        raise
    if rank == 0:
        answers.put(("done", details))
    dist.destroy_process_group()


def _recipe(job: Job) -> Recipe:
    return Recipe(**{key: value for key, value in job.recipe.items() if key != "labels"})


def _train_here(job: Job, device: torch.device) -> dict[str, Any]:
    recipe = _recipe(job)
    make_deterministic(job.seed, max(1, job.threads // recipe.processes))
    store = TileStore(job.tiles)
    training = _start(job, recipe, store, device)
    training.run(job.partial)
    training.save_selected(job.output)
    return {**_details(training), "classes": len(store.classes)}


def _start(job: Job, recipe: Recipe, store: TileStore, device: torch.device) -> Training:
    if job.spec.train is None:
        raise MethodFailure("has no training recipe in method.yaml")
    needs_labels = job.recipe.get("labels", False)
    if needs_labels and not store.classes:
        raise MethodFailure(f"needs labels to train, and {store.meta['title']} has none")
    try:
        method = job.spec.load(**({"classes": len(store.classes)} if needs_labels else {}))
    except Exception as error:
        raise MethodFailure(f"cannot be loaded: {type(error).__name__}: {error}") from error
    tiles, names = store.tiles("train"), store.names("train")
    validation = None
    if recipe.validate_every and len(names) > 1:
        scenes = [row.scene for row in store.rows("train")]
        kept = len(names) - held_back(scenes, recipe.validation_share)
        validation = Validation(tiles[kept:], recipe.batch)
        tiles, names = tiles[:kept], names[:kept]
    return Training(
        method, recipe, tiles, names, job.seed, device, job.fingerprint(), validation=validation
    )


def _details(training: Training) -> dict[str, Any]:
    rates = [row["images_s"] for row in training.log if "images_s" in row]
    return {
        "device": str(training.device),
        "steps": training.step,
        "parameters": sum(parameter.numel() for parameter in training.module.parameters()),
        "final_loss": next((r["loss"] for r in reversed(training.log) if "loss" in r), None),
        "best": training.best,
        "images_s": sorted(rates)[len(rates) // 2] if rates else None,
    }
