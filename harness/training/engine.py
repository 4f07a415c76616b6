"""The training loop: steps, checkpoints and validation."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from harness.blocks.distributed import average, average_gradients, rank, synchronise_batch_norms
from harness.errors import NOT_FINITE, HarnessError, MethodFailure, as_method_failure
from harness.machine.allocator import keep_freed_memory
from harness.machine.isolation import Heartbeat
from harness.methods.checkpoints import load_checkpoint, save_checkpoint
from harness.methods.contract import TrainableMethod, check_terms
from harness.methods.recipe import Recipe
from harness.terminal import progress
from harness.training import log
from harness.training.batches import Batches
from harness.training.precision import Precision
from harness.training.validation import Validation

BEST = "best.pt"
"""File beside the checkpoint: the weights with the smallest validation loss so far."""


@dataclass(frozen=True)
class Task:
    """What one training works on.

    recipe: how to train. tiles: (N, 5, H, W) uint8, N ≥ 1. names: the names of the tiles, for
    messages. device: where to train. seed: decides the order of the tiles and the random numbers
    of each step; the caller seeds the initial weights. fingerprint: identifies everything that
    decides the result; a partial checkpoint with another one is not continued. validation: what
    to measure between epochs.
    """

    recipe: Recipe
    tiles: NDArray[np.uint8]
    names: list[str]
    device: torch.device
    seed: int = 0
    fingerprint: str = ""
    validation: Validation | None = None


class Training:
    """The training of a method, a torch module with `training_loss`, on one task."""

    def __init__(self, method: TrainableMethod, task: Task) -> None:
        keep_freed_memory()
        self.method, self.task = method, task
        self.recipe, self.device = task.recipe, task.device
        self.module: torch.nn.Module = method.to(task.device).train()  # type: ignore[attr-defined]
        synchronise_batch_norms(self.module)
        recipe, loss = task.recipe, method.training_loss
        self.training_loss = torch.compile(loss) if recipe.compile else loss
        self.batches = Batches(
            task.tiles,
            recipe.batch,
            task.seed,
            parts=recipe.parts,
            augment=recipe.augment,
            permute_labels=recipe.permute_labels,
        )
        self.total = recipe.total_steps(len(task.tiles))
        self.precision = Precision(recipe.precision, task.device)
        self.optimiser = torch.optim.Adam(
            self.module.parameters(), lr=recipe.learning_rate, betas=recipe.betas, fused=True
        )
        self.step = 0
        self.log: list[dict[str, float]] = []
        self.best: dict[str, float] = {}

    def run(self, partial: Path, heartbeat: Heartbeat = lambda: None) -> None:
        """Train to the end; continue from the checkpoint `partial` and update it regularly.

        `best.pt` is written beside it, and `tensorboard/` where TensorBoard is installed.

        Raises:
            MethodFailure: if the method raises or a loss is not finite.
        """
        self._resume(partial)
        board: Any = (
            None if rank() else log.tensorboard(partial.with_name("tensorboard"), self.step)
        )
        saved = logged = time.monotonic()
        tiles = 0
        for step in progress(range(self.step, self.total), "training", start=self.step):
            terms = self.advance()
            heartbeat()
            tiles += self.recipe.batch
            if log.is_due(self.step, self.total):
                now = time.monotonic()
                self.log.append(self._row(terms, tiles / (now - logged)))
                tiles, logged = 0, now
                for name, value in self.log[-1].items() if board else ():
                    board.add_scalar(name, value, self.step)
            validated = self._is_validated(step + 1)
            if validated:
                self._validate(partial.with_name(BEST))
            late = time.monotonic() - saved > self.recipe.checkpoint_seconds
            if (late or validated) and self.step < self.total:
                self.save(partial)
                saved = time.monotonic()
        if board:
            board.close()

    def advance(self) -> dict[str, torch.Tensor]:
        """Take one optimiser step; return its loss terms, averaged over all processes."""
        # Seed each step from (seed, step, rank), so that a restart needs no random state.
        spawned = np.random.SeedSequence([self.task.seed, self.step, rank()])
        torch.manual_seed(int(spawned.generate_state(1, np.uint64)[0]))
        self.optimiser.zero_grad(set_to_none=True)
        parts = [self._pass(part) for part in range(self.recipe.accumulate)]
        average_gradients(self.module)
        for group in self.optimiser.param_groups:
            group["lr"] = self.recipe.rate(self.step, self.total)
        self.precision.step(self.optimiser)
        self.step += 1
        return {name: torch.stack([part[name] for part in parts]).mean() for name in parts[0]}

    def _pass(self, part: int) -> dict[str, torch.Tensor]:
        """Run forward and backward over one part of the step's tiles; return detached terms."""
        batch = self.batches.load(self.step, self.device, part * self.recipe.processes + rank())
        with as_method_failure(f"training step {self.step}"), self.precision.forward():
            terms = self.training_loss(batch)
            check_terms(terms)
        loss = torch.stack(list(terms.values())).sum()
        values = average(torch.stack([term.detach() for term in terms.values()]))
        seen = dict(zip(terms, values, strict=True))
        self._guard(seen)
        self.precision.backward(loss / self.recipe.accumulate)
        return seen

    def _guard(self, terms: dict[str, torch.Tensor]) -> None:
        if bool(torch.isfinite(torch.stack(list(terms.values()))).all()):
            return
        broken = ", ".join(name for name, term in terms.items() if not bool(torch.isfinite(term)))
        tiles = ", ".join(self.task.names[i] for i in self.batches.indices(self.step))
        raise MethodFailure(f"training step {self.step}: {broken} {NOT_FINITE} on tiles {tiles}")

    def _row(self, terms: dict[str, torch.Tensor], rate: float) -> dict[str, float]:
        values = {name: term.item() for name, term in terms.items()}
        loss = sum(values.values())
        return {"step": self.step, **values, "loss": loss, log.RATE: round(rate, 3)}

    def _is_validated(self, step: int) -> bool:
        every = self.recipe.validate_every * self.batches.per_epoch
        return self.task.validation is not None and (step == self.total or step % every == 0)

    def _validate(self, best: Path) -> None:
        """Add a row to the log, and keep the weights if they are the best so far."""
        assert self.task.validation is not None
        self.module.eval()
        values = self.task.validation.measure(self.method, self.device)
        self.module.train()
        self.log.append({"step": self.step, **values})
        if not self.best or values["validation_loss"] < self.best["loss"]:
            self.best = {"step": self.step, "loss": values["validation_loss"]}
            if not rank():
                save_checkpoint(best, {"model": self.module.state_dict(), **self.best})

    def save(self, path: Path) -> None:
        """Write a checkpoint atomically: weights, optimiser, step and log."""
        if rank():
            return
        state = {
            "fingerprint": self.task.fingerprint,
            "step": self.step,
            "model": self.module.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "scaler": self.precision.scaler.state_dict(),
            # Without the rates: equal trainings leave equal bytes.
            "log": [{k: v for k, v in row.items() if k != log.RATE} for row in self.log],
            "best": self.best,
        }
        save_checkpoint(path, state)

    def save_selected(self, path: Path) -> None:
        """Write the final checkpoint: the last weights, or the best if the recipe selects them."""
        if self.recipe.select == "best" and not rank():
            self.module.load_state_dict(load_checkpoint(path.with_name(BEST))["model"])
        self.save(path)

    def _resume(self, path: Path) -> None:
        if not path.is_file():
            return
        try:
            state = load_checkpoint(path)
        except HarnessError as error:
            print(f"{error}; starting again")
            return
        if state.get("fingerprint") != self.task.fingerprint:
            print(f"{path}: belongs to other settings; starting again")
            return
        self.module.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.precision.scaler.load_state_dict(state["scaler"])
        self.step, self.log, self.best = state["step"], state["log"], state["best"]
        print(f"continuing from step {self.step} of {self.total}")
