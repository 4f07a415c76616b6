"""Fuse a data set's test tiles with one method: `python -m harness.stages.fuse --help`."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from harness.cost import cost
from harness.device import choose_device, make_deterministic
from harness.errors import HarnessError
from harness.external import write_external_stack
from harness.files import atomic_path
from harness.inference import load_method, write_fused_stack
from harness.methods import MethodSpec
from harness.provenance import Record
from harness.stages.common import find_method, method_parser, run
from harness.store import TileStore
from harness.stretch import STRETCHES
from harness.weights import choose_weights


def main() -> None:
    """Parse the command line, fuse, and write the fused stack with its record."""
    parser = method_parser(main.__doc__ or "")
    parser.add_argument("--stretch", choices=list(STRETCHES), default="none")
    parser.add_argument("--checkpoint", type=Path, help="checkpoint.pt of a trained method")
    parser.add_argument("--weights", default="official", help="official, or a weight file")
    parser.add_argument(
        "--mirror",
        type=Path,
        action="append",
        default=[],
        help="folder of weight files; repeatable",
    )
    parser.add_argument("--output", type=Path, required=True, help="fused.npy to write")
    arguments = parser.parse_args()
    spec = find_method(arguments.method, arguments.options)
    store = TileStore(arguments.tiles)
    config = {
        "method": spec.name,
        "options": dict(spec.options),
        "stretch": arguments.stretch,
        "seed": arguments.seed,
        "device": arguments.device,
    }
    record = Record("fuse", config)
    make_deterministic(arguments.seed, arguments.threads)
    device = choose_device("cpu" if spec.device == "cpu" else arguments.device)
    try:
        record.details = _fuse(spec, store, device, arguments)
    except HarnessError as failure:
        # Weights that cannot be had fail this method alone, as a broken contract does.
        record.fail(str(failure))
        print(f"failed: {failure}")
        with atomic_path(arguments.output) as temporary, temporary.open("wb") as stream:
            np.save(stream, np.empty((0, *store.tiles("test").shape[2:]), np.uint8))
    record.write(arguments.output.with_name("fused.json"), [arguments.output])


def _fuse(
    spec: MethodSpec, store: TileStore, device: torch.device, arguments: Any
) -> dict[str, Any]:
    names, pairs = store.names("test"), store.test
    if spec.command:
        write_external_stack(
            arguments.output, spec, arguments.stretch, pairs, names, device, arguments.threads
        )
        return {"device": str(device)}
    weights = choose_weights(
        spec,
        checkpoint=arguments.checkpoint,
        file=None if arguments.weights == "official" else Path(arguments.weights),
        mirrors=arguments.mirror,
    )
    method = load_method(spec, device, weights.path if weights else None, len(store.classes))
    timer = write_fused_stack(
        arguments.output, spec, method, arguments.stretch, pairs, names, device
    )
    height, width = pairs.tiles.shape[2:]
    return {
        "device": str(device),
        "milliseconds_an_image": timer.milliseconds_an_image(),
        "weights": weights.record() if weights else None,
        **cost(method, (height, width), device),
    }


if __name__ == "__main__":
    run(main)
