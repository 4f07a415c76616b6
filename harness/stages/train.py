"""Train one method on one data set: `python -m harness.stages.train --help`."""

from pathlib import Path
from typing import Any

import torch

from harness.contract import MethodFailure, TrainableMethod
from harness.device import choose_device, make_deterministic
from harness.files import atomic_path, sha256_json
from harness.methods import MethodSpec
from harness.provenance import Record
from harness.stages.common import find_method, json_object, method_parser, run
from harness.store import TileStore
from harness.training import Recipe, Training, write_log


def main() -> None:
    """Parse the command line, train, and write checkpoint, log and record."""
    parser = method_parser(main.__doc__ or "")
    parser.add_argument("--recipe", type=json_object, default={}, help="JSON, over method.yaml's")
    parser.add_argument("--output", type=Path, required=True, help="checkpoint.pt to write")
    arguments = parser.parse_args()
    spec = find_method(arguments.method, arguments.options)
    recipe = {**(spec.train or {}), **arguments.recipe}
    config = {
        "method": spec.name,
        "options": dict(spec.options),
        "recipe": recipe,
        "seed": arguments.seed,
        "device": arguments.device,
        "threads": arguments.threads,
    }
    record = Record("train", config)
    make_deterministic(arguments.seed, arguments.threads)
    output: Path = arguments.output
    partial = output.with_name("partial.pt")
    log: list[dict[str, float]] = []
    try:
        store = TileStore(arguments.tiles)
        training = _start(spec, recipe, store, config)
        training.run(partial)
        training.save(output)
        log = training.log
        record.details = {**_details(training), "classes": len(store.classes)}
    except MethodFailure as failure:
        record.fail(str(failure))
        print(f"failed: {failure}")
        with atomic_path(output) as temporary:
            torch.save({}, temporary)
    write_log(output.with_name("training_log.csv"), log)
    record.write(output.with_name("training.json"), [output])
    partial.unlink(missing_ok=True)


def _start(
    spec: MethodSpec, recipe: dict[str, Any], store: TileStore, config: dict[str, Any]
) -> Training:
    if spec.train is None:
        raise MethodFailure("has no training recipe in method.yaml")
    needs_labels = recipe.pop("labels", False)
    if needs_labels and not store.classes:
        raise MethodFailure(f"needs labels to train, and {store.meta['title']} has none")
    try:
        method: TrainableMethod = spec.load(
            **({"classes": len(store.classes)} if needs_labels else {})
        )
    except Exception as error:
        raise MethodFailure(f"cannot be loaded: {type(error).__name__}: {error}") from error
    return Training(
        method,
        Recipe(**recipe),
        store.tiles("train"),
        store.names("train"),
        config["seed"],
        choose_device(config["device"]),
        fingerprint=sha256_json({**config, "data": store.meta, "tiles": store.names("train")}),
    )


def _details(training: Training) -> dict[str, Any]:
    parameters = sum(parameter.numel() for parameter in training.module.parameters())
    return {
        "steps": training.step,
        "parameters": parameters,
        "final_loss": training.log[-1]["loss"] if training.log else None,
        "device": str(training.device),
    }


if __name__ == "__main__":
    run(main)
