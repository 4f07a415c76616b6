"""Train demonstration weights again: `python -m harness.commands.demonstration_weights --help`.

A method trains by its own recipe on the training tiles of all data sets of the demonstration
together. `demonstration/recipe.yaml` in its folder says what differs, such as a smaller batch, and
may name another seed than 0. Where it selects the best weights, they are those with the smallest
loss in evaluation mode over every fourth training tile.
"""

import argparse
import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from safetensors.torch import save_file

from harness.benchmark import Benchmark
from harness.cli import positive, run
from harness.disk.code import code_behind, digests
from harness.disk.files import atomic_path, sha256_json
from harness.disk.records import Record
from harness.disk.schema import ROOT
from harness.errors import HarnessError
from harness.machine.device import make_deterministic
from harness.methods.recipe import Recipe
from harness.methods.spec import MethodSpec, discover
from harness.methods.weights import AUXILIARY
from harness.tiles.cutting import Tiling, write_store
from harness.tiles.store import TileStore
from harness.training.engine import BEST, Task, Training
from harness.training.validation import Validation

CONFIGURATION = ROOT / "config" / "config.yaml"
FIRST = 50
"""Number of steps at the start whose losses are recorded one by one."""
SHARE = 4
"""One of so many training tiles decides which weights are the best."""


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
        have = [name for name, spec in found.items() if _recipe_file(spec).is_file()]
        if self.name not in have:
            raise HarnessError(
                f"{self.name}: has no demonstration/recipe.yaml; expected one of {', '.join(have)}"
            )
        return found[self.name]

    @cached_property
    def recipe(self) -> Recipe:
        """The method's own recipe, with what its `demonstration/recipe.yaml` replaces."""
        return Recipe.of({**(self.spec.train or {}), **self._changes[1]})

    @property
    def seed(self) -> int:
        """The seed of initial weights and order of tiles; 0 unless the recipe names another."""
        return self._changes[0]

    @cached_property
    def _changes(self) -> tuple[int, dict[str, Any]]:
        changes = yaml.safe_load(_recipe_file(self.spec).read_text(encoding="utf-8"))
        return changes.pop("seed", 0), changes

    @cached_property
    def tiles(self) -> tuple[NDArray[np.uint8], list[str]]:
        """The training tiles, (N, 5, H, W) uint8, and their names with those of the data sets."""
        return demonstration_tiles()

    def start(self) -> Training:
        """Return the training before its first step, or before the one after a checkpoint."""
        make_deterministic(self.seed, self.threads)
        tiles, names = self.tiles
        config = {"method": self.name, "options": dict(self.spec.options), "seed": self.seed}
        pixels = hashlib.sha256(tiles.tobytes()).hexdigest()
        code = digests(code_behind([Path(__file__), *self.spec.code_files()]))
        recipe = self.recipe.model_dump(exclude={"checkpoint_seconds"})
        fingerprint = sha256_json({**config, "recipe": recipe, "tiles": pixels, "code": code})
        method = self.spec.load_for(0)
        # No tile is held back: what is selected against are batch norms that fit badly.
        validated = self.recipe.select == "best"
        validation = Validation(tiles[::SHARE], self.recipe.batch) if validated else None
        device = torch.device("cpu")
        task = Task(self.recipe, tiles, names, device, self.seed, fingerprint, validation)
        return Training(method, task)

    def first_losses(self, steps: int) -> list[float]:
        """Return the sum of the loss terms of each of the first steps."""
        training = self.start()
        return [float(sum(training.advance().values())) for _ in range(steps)]


def _recipe_file(spec: MethodSpec) -> Path:
    return spec.demonstration.with_name("recipe.yaml")


def demonstration_stores(folder: Path) -> dict[str, TileStore]:
    """Cut the demonstration's data sets into stores below a folder; return them by name."""
    config = yaml.safe_load(CONFIGURATION.read_text(encoding="utf-8"))
    # Its methods ask for the weights that are trained here.
    benchmark = Benchmark({"title": config["title"], "datasets": config["datasets"]})
    stores = {}
    for name in benchmark.datasets:
        dataset = benchmark.adapter(name).open_dataset(benchmark.dataset_options(name))
        (folder / name).mkdir()
        write_store(dataset, Tiling(**benchmark.tiling(name)), folder / name)
        stores[name] = TileStore(folder / name)
    return stores


def demonstration_tiles() -> tuple[NDArray[np.uint8], list[str]]:
    """Cut the demonstration's data sets; return all their training tiles and names."""
    with tempfile.TemporaryDirectory() as folder:
        stores = demonstration_stores(Path(folder))
        tiles = np.concatenate([store.tiles("train") for store in stores.values()])
    names = [f"{name}/{tile}" for name, store in stores.items() for tile in store.names("train")]
    return tiles, names


def summary(training: Training) -> dict[str, Any]:
    """Return the number of steps, the mean loss of the last tenth, and the step selected."""
    trained = [row for row in training.log if "loss" in row]
    losses = [row["loss"] for row in trained if row["step"] > 0.9 * training.total]
    found = {"steps": training.step, "final_loss": float(np.mean(losses))}
    return {**found, "selected": training.best} if training.best else found


def main(argv: Sequence[str] | None = None) -> None:
    """Train methods on the demonstration's training tiles, and store the weights beside them.

    An interrupted training continues from `results/demonstration/METHOD/partial.pt`.
    """
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("methods", nargs="+", help="methods with a folder `demonstration`")
    parser.add_argument("--threads", type=positive, default=1, help="threads; default 1")
    parser.add_argument(
        "--scratch",
        type=Path,
        default=Path("results/demonstration"),
        help="folder of unfinished trainings; default results/demonstration",
    )
    arguments = parser.parse_args(argv)
    for name in arguments.methods:
        train(DemonstrationTraining(name, arguments.threads), arguments.scratch / name)


def train(task: DemonstrationTraining, scratch: Path) -> None:
    """Train one method to the end; write `weights.safetensors` and `record.json`."""
    scratch.mkdir(parents=True, exist_ok=True)
    recipe = task.recipe.model_dump()
    config = {"method": task.name, "options": dict(task.spec.options), "recipe": recipe}
    record = Record("demonstration", {**config, "seed": task.seed, "threads": task.threads})
    first = task.first_losses(min(FIRST, task.recipe.steps or FIRST))
    training = task.start()
    training.run(scratch / "partial.pt")
    training.save_selected(scratch / "partial.pt")
    target = task.spec.demonstration
    state = {
        key: tensor.contiguous()
        for key, tensor in training.module.state_dict().items()
        if not key.startswith(AUXILIARY)
    }
    with atomic_path(target) as temporary:
        save_file(state, temporary)
    record.details = {**summary(training), "tiles": len(task.tiles[1]), "first_losses": first}
    record.write(target.with_name("record.json"), [target])
    for file in ("partial.pt", BEST):
        (scratch / file).unlink(missing_ok=True)
    print(f"{target}: loss {record.details['final_loss']:.4f} after {training.step} steps")


if __name__ == "__main__":
    run(main)
