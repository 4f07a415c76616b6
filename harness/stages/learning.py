"""Measure on the test tiles whether a method learned: `python -m harness.stages.learning --help`.

This module does not import torch: the method runs in a forked process, which loads it there.
"""

import argparse
import csv
import math
from io import StringIO
from pathlib import Path
from typing import Any

from harness.cli import run
from harness.disk.files import write_json, write_text
from harness.disk.records import Claim, Record, read_record
from harness.errors import NOT_FINITE, MethodFailure
from harness.machine.isolation import Heartbeat, supervise
from harness.methods.recipe import Recipe
from harness.methods.spec import MethodSpec, find_method
from harness.stages import identity
from harness.stages.common import add_timeout, method_parser
from harness.tiles.store import TileStore, read_fused


def main() -> None:
    """Measure the loss of fused test tiles and, of a network that was trained, what it learned."""
    arguments = _parser().parse_args()
    spec = find_method(arguments.method, arguments.options, arguments.include)
    path = arguments.output.with_name("learning.json")
    claim = Claim(
        path,
        arguments.asked,
        lambda: identity.learning(spec, arguments.seed, arguments.device),
    )
    record = Record("learning", {"method": spec.name, "seed": arguments.seed}, claim=claim)
    measured = _supervised(arguments, spec)
    if failure := measured.pop("failure"):
        # A section of the report without this run is better than no report.
        record.fail(failure)
        print(f"failed: {failure}")
    names = TileStore(arguments.tiles).names("test")
    table = measured.pop("losses", []), measured.pop("averages", [])
    write_text(arguments.output, _table(names, *table))
    learned = arguments.output.with_name("learned.json")
    write_json(learned, _plain(measured))
    record.write(path, [arguments.output, learned])


def _parser() -> argparse.ArgumentParser:
    parser = method_parser(main.__doc__ or "")
    parser.add_argument("--fused", type=Path, required=True, help="path of fused.npy")
    parser.add_argument("--checkpoint", type=Path, help="path of a trained method's checkpoint.pt")
    add_timeout(parser)
    parser.add_argument("--output", type=Path, required=True, help="path of held_out.csv to write")
    return parser


def _supervised(arguments: argparse.Namespace, spec: MethodSpec) -> dict[str, Any]:
    # Absolute paths, because a method may change the current folder.
    tiles, fused = arguments.tiles.resolve(), arguments.fused.resolve()
    checkpoint = arguments.checkpoint and arguments.checkpoint.resolve()

    def work(heartbeat: Heartbeat) -> dict[str, Any]:
        from harness.machine.device import choose_device, make_deterministic

        make_deterministic(arguments.seed, arguments.threads)
        device = choose_device(spec.device_for(arguments.device))
        store = TileStore(tiles)
        found = _losses(store, fused)
        heartbeat()
        try:
            trained = _trained(spec, store, checkpoint, device, heartbeat) if checkpoint else {}
        except MethodFailure as error:
            # What a network does with images counts, even if its training broke off.
            trained = {"failure": str(error), "finite": NOT_FINITE not in str(error)}
        return {"failure": "", **found, **trained}

    try:
        return supervise(work, arguments.timeout)
    except MethodFailure as error:
        return {"failure": str(error)}


def _losses(store: TileStore, fused: Path) -> dict[str, Any]:
    from harness.fusing.held_out import fusion_losses

    record = read_record(fused.with_name("fused.json"))
    failed = record["status"] == "failed"
    stack = None if failed else read_fused(fused, record, store.test.sizes)
    losses, averages = fusion_losses(stack, store.test)
    return {"losses": losses, "averages": averages}


def _trained(
    spec: MethodSpec, store: TileStore, checkpoint: Path, device: Any, heartbeat: Heartbeat
) -> dict[str, Any]:
    from harness.fusing.held_out import measure_network
    from harness.fusing.inference import load_method
    from harness.methods.checkpoints import load_checkpoint
    from harness.methods.weights import choose_weights

    weights = choose_weights(spec, checkpoint=checkpoint)
    assert weights is not None
    classes = len(store.classes)
    method: Any = load_method(spec, device, weights.path, classes)
    recipe = Recipe.of(read_record(checkpoint.with_name("training.json"))["config"]["recipe"])
    log = {"log": load_checkpoint(checkpoint)["log"]}
    try:
        measured = measure_network(
            method,
            store.test,
            classes=classes if spec.needs_labels else 0,
            batch=recipe.batch // recipe.parts,
            device=device,
            heartbeat=heartbeat,
        )
    except MethodFailure as error:
        return {**log, "failure": str(error)}
    return {**log, **measured}


def _table(names: list[str], losses: list[float], averages: list[float]) -> str:
    """Return the CSV text: L_f of each fused tile, empty without images, and of the average."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["tile", "fusion_loss", "average_loss"])
    columns: list[Any] = [values or [""] * len(names) for values in (losses, averages)]
    writer.writerows(zip(names, *columns, strict=True))
    return text.getvalue()


def _plain(value: Any) -> Any:
    """Return the value with None for numbers that are not finite, which JSON does not have."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


if __name__ == "__main__":
    run(main)
