"""Train one method: in this process, or in several processes that train together."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing
from torch.multiprocessing.spawn import (
    ProcessExitedException,
    ProcessRaisedException,
    start_processes,
)

from harness.disk.files import sha256_json
from harness.errors import HarnessError, MethodFailure
from harness.machine.device import choose_device, make_deterministic
from harness.machine.gpu_slots import visible_gpus
from harness.machine.isolation import Heartbeat
from harness.methods.recipe import Recipe
from harness.methods.spec import MethodSpec, find_method
from harness.tiles.store import TileStore
from harness.training.engine import Task, Training
from harness.training.log import RATE
from harness.training.validation import Validation, held_back

PEER_TIMEOUT = timedelta(minutes=30)
"""Time that a process waits for the others, which includes the slowest validation."""


@dataclass(frozen=True)
class TrainingJob:
    """Everything that decides the result of a training, and the paths of its files.

    config: `method` (name), complete `options` and `recipe`, `seed`, `device`, and `threads`,
    which the processes share. tiles: the folder of the tile store. output: the path of the
    checkpoint. include: the outside folders that may hold the method. request: the identity of
    the result, which includes all code.
    """

    config: Mapping[str, Any]
    tiles: Path
    output: Path
    include: tuple[Path, ...] = ()
    request: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def spec(self) -> MethodSpec:
        """The method with the job's options."""
        return find_method(self.config["method"], self.config["options"], self.include)

    @property
    def recipe(self) -> Recipe:
        """How to train; without `labels`, which is a requirement on the data set."""
        return Recipe.of(self.config["recipe"])

    @property
    def device(self) -> str:
        """Name of the device for training."""
        return self.spec.device_for(self.config["device"])

    def fingerprint(self) -> str:
        """Return the hash of everything that a checkpoint depends on; threads are no part of it."""
        config = {key: value for key, value in self.config.items() if key != "threads"}
        tiles = TileStore(self.tiles).content
        return sha256_json({"config": config, "request": dict(self.request), "tiles": tiles})

    @property
    def partial(self) -> Path:
        """Path of the checkpoint of an unfinished training."""
        return self.output.with_name("partial.pt")


def train(job: TrainingJob, heartbeat: Heartbeat = lambda: None) -> dict[str, Any]:
    """Train to the end, write the checkpoint, and return the details of the record.

    The heartbeat beats after every step; where several processes train, it beats every second
    while all of them are alive.

    Raises:
        MethodFailure: if the method cannot be trained on these tiles, or if one of several
            processes ended early. The next run continues from the checkpoint `partial`.
        HarnessError: if there are fewer GPUs than processes.
    """
    count, device = job.recipe.processes, job.device
    if count == 1:
        return _train_here(job, choose_device(device), heartbeat)
    if device != "cpu" and 0 < len(visible_gpus()) < count:
        raise HarnessError(
            f"train: `processes` is {count}, but this job sees {len(visible_gpus())} GPU; ask for "
            f"more (`--resources gpu={count}`, CUDA_VISIBLE_DEVICES) or lower `processes`"
        )
    answers: Any = torch.multiprocessing.get_context("spawn").SimpleQueue()
    with tempfile.TemporaryDirectory() as folder:
        arguments = (job, count, str(Path(folder, "meeting")), answers)
        group = start_processes(  # type: ignore[no-untyped-call]
            _join, arguments, count, join=False, start_method="spawn"
        )
        try:
            while not group.join(timeout=1):
                heartbeat()
        except (ProcessExitedException, ProcessRaisedException) as error:
            # If one process is killed, the answers of the others only show the consequence.
            if answers.empty() or isinstance(error, ProcessExitedException):
                how = str(error).strip().splitlines()[-1]
                raise MethodFailure(
                    f"training process {error.error_index + 1} of {count} ended early, and so the "
                    f"others were ended: {how}; run again to continue from the last checkpoint"
                ) from error
    kind, answer = answers.get()
    if kind == "failure":
        raise MethodFailure(answer)
    return dict(answer)


def _join(rank: int, job: TrainingJob, count: int, meeting: str, answers: Any) -> None:
    """Train as one of several processes."""
    device = choose_device(job.device)
    backend = "nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(
        backend, init_method=f"file://{meeting}", rank=rank, world_size=count, timeout=PEER_TIMEOUT
    )
    try:
        details = _train_here(job, device, lambda: None)
    except MethodFailure as failure:
        answers.put(("failure", str(failure)))
        raise
    if rank == 0:
        answers.put(("done", details))
    dist.destroy_process_group()


def _train_here(job: TrainingJob, device: torch.device, heartbeat: Heartbeat) -> dict[str, Any]:
    threads = max(1, job.config["threads"] // job.recipe.processes)
    make_deterministic(job.config["seed"], threads)
    store = TileStore(job.tiles)
    training = _start(job, store, device)
    training.run(job.partial, heartbeat)
    training.save_selected(job.output)
    return {**_details(training), "classes": len(store.classes)}


def _start(job: TrainingJob, store: TileStore, device: torch.device) -> Training:
    spec, recipe = job.spec, job.recipe
    if spec.train is None:
        raise MethodFailure("has no training recipe; add a `train` section to its method.yaml")
    if spec.needs_labels and not store.classes:
        raise MethodFailure(f"needs labels to train, and {store.meta['title']} has none")
    if not store.names("train"):
        raise MethodFailure(f"has to be trained, and {store.meta['title']} has no training tiles")
    method = spec.load_for(len(store.classes))
    tiles, names, validation = store.tiles("train"), store.names("train"), None
    if recipe.validate_every and len(names) > 1:
        scenes = [row.scene for row in store.rows("train")]
        kept = len(names) - held_back(scenes, recipe.validation_share)
        validation = Validation(tiles[kept:], recipe.batch)
        tiles, names = tiles[:kept], names[:kept]
    seed, fingerprint = job.config["seed"], job.fingerprint()
    return Training(method, Task(recipe, tiles, names, device, seed, fingerprint, validation))


def _details(training: Training) -> dict[str, Any]:
    rates = [row[RATE] for row in training.log if RATE in row]
    return {
        "device": str(training.device),
        "steps": training.step,
        "parameters": sum(parameter.numel() for parameter in training.module.parameters()),
        "final_loss": next((r["loss"] for r in reversed(training.log) if "loss" in r), None),
        "best": training.best,
        "log": training.log,
        RATE: sorted(rates)[len(rates) // 2] if rates else None,
    }
