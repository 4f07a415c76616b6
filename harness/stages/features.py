"""Keep a network's inner features of a few tiles: `python -m harness.stages.features --help`.

Works for every method whose call gives an object with the lists `segmentation`, `aligned`,
`fusion` and `attention`, as `segfanet.model.Output` has them.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from harness.cli import run
from harness.disk.files import atomic_path, read_json
from harness.disk.records import Record
from harness.errors import HarnessError, blamed
from harness.fusing.inference import load_method, to_tensor
from harness.machine.device import choose_device, make_deterministic
from harness.methods.spec import find_method
from harness.methods.weights import choose_weights
from harness.stages.common import method_parser
from harness.tiles.store import Pairs, TileStore

MAPS = ("segmentation", "aligned", "fusion")


def main() -> None:
    """Write the inner features of a trained network on a few tiles, and their record."""
    parser = method_parser(main.__doc__ or "")
    parser.add_argument("--checkpoint", type=Path, required=True, help="checkpoint.pt")
    parser.add_argument("--examples", type=Path, required=True, help="JSON list of tile indices")
    parser.add_argument("--output", type=Path, required=True, help="features.npz to write")
    arguments = parser.parse_args()
    spec = find_method(arguments.method, arguments.options, arguments.include)
    store = TileStore(arguments.tiles)
    tiles = _examples(arguments.examples, len(store.names("test")))
    record = Record("features", {"method": spec.name, "tiles": tiles, "seed": arguments.seed})
    make_deterministic(arguments.seed, arguments.threads)
    maps: dict[str, Any] = {}
    try:
        device = choose_device(spec.device_for(arguments.device))
        weights = choose_weights(spec, checkpoint=arguments.checkpoint)
        path = weights.path if weights else None
        method = load_method(spec, device, path, len(store.classes))
        maps = features(method, store.test, tiles, device)
    except HarnessError as failure:
        # Figures without feature maps are better than no report.
        record.fail(str(failure))
        print(f"failed: {failure}")
    with atomic_path(arguments.output) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, tiles=np.array(tiles, np.int64), **maps)
    record.write(arguments.output.with_suffix(".json"), [arguments.output])


def _examples(path: Path, count: int) -> list[int]:
    tiles = read_json(path)
    if not isinstance(tiles, list) or not all(index in range(count) for index in tiles):
        raise HarnessError(f"{path}: not a list of test tiles, 0 to {count - 1}; delete it")
    return tiles


def features(
    method: Any, pairs: Pairs, tiles: list[int], device: torch.device
) -> dict[str, np.ndarray[Any, np.dtype[np.float32]]]:
    """Maps of the first stage, one a tile.

    Args:
        method: whose call gives the features.
        pairs: the test tiles.
        tiles: indices of those wanted.
        device: where the method is.

    Returns:
        `segmentation`, `aligned`, `fusion`: (T, h, w) mean absolute activation over channels;
        `attention`: (T, p, p) mean weight that a position receives from all queries, and
        missing where the method has no attention.

    Raises:
        MethodFailure: if the method's call gives no such object, or raises.
    """
    found: dict[str, list[Tensor]] = {}
    for index in tiles:
        part = slice(index, index + 1)
        sources = [to_tensor(images(part), device) for images in (pairs.infrared, pairs.visible)]
        with blamed("gives no features"), torch.no_grad():
            output = method(*sources)
            for name in MAPS:
                found.setdefault(name, []).append(getattr(output, name)[0].abs().mean(1)[0])
            for weights in output.attention[:1]:
                found.setdefault("attention", []).append(_received(weights[0]))
    return {name: torch.stack(maps).float().cpu().numpy() for name, maps in found.items()}


def _received(weights: Tensor) -> Tensor:
    """(p², p²) weights, rows being queries → (p, p) mean weight of every key."""
    side = round(weights.shape[1] ** 0.5)
    return weights.mean(0).reshape(side, side)


if __name__ == "__main__":
    run(main)
