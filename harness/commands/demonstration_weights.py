"""Train demonstration weights again: `python -m harness.commands.demonstration_weights --help`."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from safetensors.torch import save_file

from harness.cli import positive, run
from harness.disk.files import atomic_path
from harness.disk.records import Record
from harness.methods.weights import AUXILIARY, DEMONSTRATION_FILE
from harness.training.demonstration import SEED, DemonstrationTraining, summary

FIRST = 50
"""Number of steps at the start whose losses are recorded one by one."""


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
    record = Record("demonstration", {**config, "seed": SEED, "threads": task.threads})
    first = task.first_losses(min(FIRST, task.recipe.steps or FIRST))
    training = task.start()
    training.run(scratch / "partial.pt")
    target = task.spec.demonstration / DEMONSTRATION_FILE
    state = {
        key: tensor.contiguous()
        for key, tensor in training.module.state_dict().items()
        if not key.startswith(AUXILIARY)
    }
    with atomic_path(target) as temporary:
        save_file(state, temporary)
    record.details = {**summary(training), "tiles": len(task.tiles[1]), "first_losses": first}
    record.write(target.with_name("record.json"), [target])
    (scratch / "partial.pt").unlink(missing_ok=True)
    print(f"{target}: loss {record.details['final_loss']:.4f} after {training.step} steps")


if __name__ == "__main__":
    run(main)
