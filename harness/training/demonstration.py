"""Train the weights that the demonstration uses: one file per method, made by this project.

A method trains by its own recipe on the training tiles of all data sets of the demonstration
together. `demonstration/recipe.yaml` in its folder says what differs, such as a smaller batch.
"""

import hashlib
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from numpy.typing import NDArray

from harness.benchmark import Benchmark
from harness.disk.code import code_behind, digests
from harness.disk.files import sha256_json
from harness.disk.schema import ROOT
from harness.errors import HarnessError
from harness.machine.device import make_deterministic
from harness.methods.recipe import Recipe
from harness.methods.spec import MethodSpec, discover
from harness.tiles.cutting import Tiling, write_store
from harness.tiles.store import TileStore
from harness.training.engine import Task, Training

CONFIGURATION = ROOT / "config" / "config.yaml"
SEED = 0


@dataclass(frozen=True)
class DemonstrationTraining:
    """The training of one method's demonstration weights.

    name: a method with a folder `demonstration`. threads: the number of threads that torch uses.
    """

    name: str
    threads: int = 1

    @cached_property
    def spec(self) -> MethodSpec:
        """The method with the options of its method.yaml."""
        found = discover()
        if self.name not in found or not (found[self.name].demonstration / "recipe.yaml").is_file():
            have = [name for name in found if (found[name].demonstration / "recipe.yaml").is_file()]
            raise HarnessError(
                f"{self.name}: has no demonstration/recipe.yaml; expected one of {', '.join(have)}"
            )
        return found[self.name]

    @cached_property
    def recipe(self) -> Recipe:
        """The method's own recipe, with what its `demonstration/recipe.yaml` replaces."""
        text = (self.spec.demonstration / "recipe.yaml").read_text(encoding="utf-8")
        return Recipe.of({**(self.spec.train or {}), **yaml.safe_load(text)})

    @cached_property
    def tiles(self) -> tuple[NDArray[np.uint8], list[str]]:
        """The training tiles, (N, 5, H, W) uint8, and their names with those of the data sets."""
        return demonstration_tiles()

    def start(self) -> Training:
        """Return the training before its first step, or before the one after a checkpoint."""
        make_deterministic(SEED, self.threads)
        tiles, names = self.tiles
        config = {"method": self.name, "options": dict(self.spec.options), "seed": SEED}
        pixels = hashlib.sha256(tiles.tobytes()).hexdigest()
        code = digests(code_behind([Path(__file__), *self.spec.code_files()]))
        recipe = self.recipe.model_dump(exclude={"checkpoint_seconds"})
        fingerprint = sha256_json({**config, "recipe": recipe, "tiles": pixels, "code": code})
        method = self.spec.load_for(0)
        task = Task(self.recipe, tiles, names, torch.device("cpu"), SEED, fingerprint)
        return Training(method, task)

    def first_losses(self, steps: int) -> list[float]:
        """Return the sum of the loss terms of each of the first steps."""
        training = self.start()
        return [float(sum(training.advance().values())) for _ in range(steps)]


def demonstration_tiles() -> tuple[NDArray[np.uint8], list[str]]:
    """Cut the demonstration's data sets; return all their training tiles and names."""
    benchmark = Benchmark(yaml.safe_load(CONFIGURATION.read_text(encoding="utf-8")))
    arrays, names = [], []
    for name in benchmark.datasets:
        dataset = benchmark.adapter(name).open_dataset(benchmark.dataset_options(name))
        with tempfile.TemporaryDirectory() as folder:
            write_store(dataset, Tiling(**benchmark.tiling(name)), Path(folder))
            store = TileStore(Path(folder))
            arrays.append(np.array(store.tiles("train")))
            names += [f"{name}/{tile}" for tile in store.names("train")]
    return np.concatenate(arrays), names


def summary(training: Training) -> dict[str, Any]:
    """Return the number of steps and the mean loss of the last tenth of them."""
    losses = [row["loss"] for row in training.log if row["step"] > 0.9 * training.total]
    return {"steps": training.step, "final_loss": float(np.mean(losses))}
