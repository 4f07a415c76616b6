"""The training loop shared by every trainable method: exact restarts, repeatable numbers."""

import csv
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from harness.colour import luma
from harness.contract import Batch, MethodFailure, TrainableMethod
from harness.errors import HarnessError
from harness.files import atomic_path, write_text
from harness.progress import progress
from harness.store import INFRARED, LABEL

LOG_EVERY = 10
"""Steps between two lines of the log."""


@dataclass(frozen=True)
class Recipe:
    """How a method is trained. Defaults are the paper's settings for SegFANet.

    `steps` overrides `epochs`. `checkpoint_seconds` bounds the work a kill can lose.
    """

    epochs: int = 50
    steps: int | None = None
    batch: int = 2
    learning_rate: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.999)
    checkpoint_seconds: float = 60.0

    def total_steps(self, tiles: int) -> int:
        """Number of optimiser steps for a split of `tiles` tiles."""
        return self.steps or self.epochs * math.ceil(tiles / self.batch)


class Batches:
    """The batch of any step, computed from (seed, step) alone, so that restarts are exact."""

    def __init__(self, tiles: NDArray[np.uint8], size: int, seed: int) -> None:
        self.tiles, self.size, self.seed = tiles, size, seed
        self.per_epoch = math.ceil(len(tiles) / size)

    def indices(self, step: int) -> NDArray[np.int64]:
        """Tile indices of a step, ascending; every epoch visits each tile once."""
        epoch, place = divmod(step, self.per_epoch)
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.tiles))
        return np.sort(order[place * self.size : (place + 1) * self.size])

    def load(self, step: int, device: torch.device) -> Batch:
        """Read a step's tiles as tensors on the device."""
        tiles = np.asarray(self.tiles[self.indices(step)])
        visible, infrared = (
            torch.from_numpy(image)[:, None].to(device).to(torch.float32) / 255
            for image in (luma(tiles[:, :3]), np.ascontiguousarray(tiles[:, INFRARED]))
        )
        label = torch.from_numpy(tiles[:, LABEL].astype(np.int64)).to(device)
        return Batch(infrared, visible, label)


class Training:
    """One run of a method on one training split with one seed.

    Args:
        method: a torch module with `training_loss`.
        recipe: how to train.
        tiles: (N, 5, H, W) uint8 training split; N ≥ 1.
        names: tile names, for messages.
        seed: decides the order of tiles; the caller has seeded the initial weights.
        device: where to train.
        fingerprint: identifies method, options, recipe, seed and data; a partial checkpoint
            with another fingerprint is not continued.

    Raises:
        HarnessError: if there are no training tiles.
    """

    def __init__(
        self,
        method: TrainableMethod,
        recipe: Recipe,
        tiles: NDArray[np.uint8],
        names: list[str],
        seed: int,
        device: torch.device,
        fingerprint: str,
    ) -> None:
        if not len(tiles):
            raise HarnessError("the data set has no training tiles; name some under `train`")
        self.method = method
        self.module: torch.nn.Module = method.to(device).train()  # type: ignore[attr-defined]
        self.recipe, self.names, self.device = recipe, names, device
        self.fingerprint = fingerprint
        self.batches = Batches(tiles, recipe.batch, seed)
        self.total = recipe.total_steps(len(tiles))
        self.optimiser = torch.optim.Adam(
            self.module.parameters(), lr=recipe.learning_rate, betas=recipe.betas
        )
        self.step = 0
        self.log: list[dict[str, float]] = []

    def run(self, partial: Path) -> None:
        """Train to the end, continuing from `partial` and refreshing it on the way.

        Raises:
            MethodFailure: if the method raises or a loss is not finite.
        """
        self._resume(partial)
        saved = time.monotonic()
        for step in progress(range(self.step, self.total), "training", start=self.step):
            self._advance()
            if time.monotonic() - saved > self.recipe.checkpoint_seconds and step + 1 < self.total:
                self.save(partial)
                saved = time.monotonic()

    def _advance(self) -> None:
        began = time.perf_counter()
        batch = self.batches.load(self.step, self.device)
        terms = self._loss(batch)
        loss = torch.stack(list(terms.values())).sum()
        self._guard(terms)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        self.step += 1
        if self.step % LOG_EVERY == 0 or self.step in (1, self.total):
            values = {name: term.item() for name, term in terms.items()}
            seconds = time.perf_counter() - began
            rate = len(batch.infrared) / seconds
            self.log.append({"step": self.step, **values, "loss": loss.item(), "images_s": rate})

    def _loss(self, batch: Batch) -> dict[str, torch.Tensor]:
        try:
            return self.method.training_loss(batch)
        except Exception as error:
            reason = f"training step {self.step}: {type(error).__name__}: {error}"
            raise MethodFailure(reason) from error

    def _guard(self, terms: Mapping[str, torch.Tensor]) -> None:
        broken = [name for name, term in terms.items() if not bool(torch.isfinite(term))]
        if broken:
            tiles = ", ".join(self.names[i] for i in self.batches.indices(self.step))
            raise MethodFailure(
                f"training step {self.step}: {', '.join(broken)} not finite on tiles {tiles}"
            )

    def save(self, path: Path) -> None:
        """Write a checkpoint atomically: weights, optimiser, step, RNG state, log."""
        state = {
            "fingerprint": self.fingerprint,
            "step": self.step,
            "model": self.module.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "rng": torch.get_rng_state(),
            "log": self.log,
        }
        with atomic_path(path) as temporary:
            torch.save(state, temporary)

    def _resume(self, path: Path) -> None:
        if not path.is_file():
            return
        try:
            state = load_checkpoint(path)
        except HarnessError as error:
            print(f"{error}; starting again")
            return
        if state.get("fingerprint") != self.fingerprint:
            print(f"{path}: belongs to other settings; starting again")
            return
        self.module.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        torch.set_rng_state(state["rng"])
        self.step, self.log = state["step"], state["log"]
        print(f"continuing from step {self.step} of {self.total}")


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Load a checkpoint without executing anything in it.

    Raises:
        HarnessError: naming the file, if it is damaged or holds more than plain weights.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # torch raises many types here; all mean that this file is of no use.
        summary = str(error).splitlines()[0]
        raise HarnessError(f"{path}: not a usable checkpoint: {summary}") from error
    if not isinstance(state, dict):
        raise HarnessError(f"{path}: holds a {type(state).__name__}, expected a checkpoint")
    return state


def write_log(path: Path, rows: list[dict[str, float]]) -> None:
    """Write the loss terms by step as CSV."""
    text = StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else ["step"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())
