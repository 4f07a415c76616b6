"""Save a network's inner features of a few tiles: `python -m harness.stages.features --help`.

This module imports torch only after it has parsed its arguments.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from harness.cli import run
from harness.disk.files import atomic_path, read_json
from harness.disk.records import Claim, Record
from harness.errors import HarnessError
from harness.fusing.job import FusingJob
from harness.methods.spec import find_method
from harness.stages import identity
from harness.stages.common import method_parser
from harness.tiles.store import TileStore


def main() -> None:
    """Write the inner features of a trained network on a few tiles, and their record."""
    arguments = _parser().parse_args()
    spec = find_method(arguments.method, arguments.options, arguments.include)
    path = arguments.output.with_suffix(".json")
    claim = Claim(
        path,
        arguments.asked,
        lambda: identity.features(spec, arguments.seed, arguments.device),
    )
    store = TileStore(arguments.tiles)
    tiles = _examples(arguments.examples, len(store.names("test")))
    config = {"method": spec.name, "tiles": tiles, "seed": arguments.seed}
    record = Record("features", config, claim=claim)
    maps: dict[str, Any] = {}
    try:
        job = FusingJob(
            spec,
            store.test,
            store.names("test"),
            {},
            classes=len(store.classes),
            seed=arguments.seed,
            device=arguments.device,
            threads=arguments.threads,
            checkpoint=arguments.checkpoint,
        )
        maps = _features(job, tiles)
    except HarnessError as failure:
        # Figures without feature maps are better than no report.
        record.fail(str(failure))
        print(f"failed: {failure}")
    with atomic_path(arguments.output) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, tiles=np.array(tiles, np.int64), **maps)
    record.write(path, [arguments.output])


def _parser() -> argparse.ArgumentParser:
    parser = method_parser(main.__doc__ or "")
    parser.add_argument("--checkpoint", type=Path, required=True, help="path of checkpoint.pt")
    parser.add_argument(
        "--examples", type=Path, required=True, help="path of a JSON list of tile indices"
    )
    parser.add_argument("--output", type=Path, required=True, help="path of features.npz to write")
    return parser


def _examples(path: Path, count: int) -> list[int]:
    tiles = read_json(path)
    if not isinstance(tiles, list) or not all(index in range(count) for index in tiles):
        raise HarnessError(
            f"{path}: found {str(tiles)[:80]}, expected a list of test tiles from 0 to "
            f"{count - 1}; delete the file"
        )
    return tiles


def _features(job: FusingJob, tiles: list[int]) -> dict[str, Any]:
    from harness.fusing.feature_measures import measure_features
    from harness.fusing.features import features
    from harness.fusing.inference import load_method
    from harness.machine.device import choose_device, make_deterministic
    from harness.methods.weights import choose_weights

    make_deterministic(job.seed, job.threads)
    device = choose_device(job.spec.device_for(job.device))
    weights = choose_weights(job.spec, checkpoint=job.checkpoint)
    method = load_method(job.spec, device, weights.path if weights else None, job.classes)
    # Maps of several sizes do not fit into one array.
    maps = {
        f"{name}.{place}": map_
        for name, several in features(method, job.pairs, tiles, device).items()
        for place, map_ in enumerate(several)
    }
    return {**maps, **measure_features(method, job.pairs, job.classes, device)}


if __name__ == "__main__":
    run(main)
