"""Compute the inner features of a network's first stage for a few tiles.

This works for every method whose call returns an object with the lists `segmentation`,
`aligned`, `fusion` and `attention`, as `segfanet.model.Output` has them.
"""

from typing import Any

import torch
from torch import Tensor

from harness.errors import as_method_failure
from harness.fusing.inference import to_tensor
from harness.fusing.job import Float
from harness.tiles.store import Pairs

MAPS = ("segmentation", "aligned", "fusion")


def features(
    method: Any, pairs: Pairs, tiles: list[int], device: torch.device
) -> dict[str, list[Float]]:
    """Return the maps of the first stage for the test tiles with the indices `tiles`.

    Returns:
        One map per tile: `segmentation`, `aligned`, `fusion`: (h, w) mean absolute activation over
        channels. `attention`: (p, p) mean weight that a position receives from all queries; the key
        is missing where the method has no attention.

    Raises:
        MethodFailure: if the method's call raises or does not return such an object.
    """
    found: dict[str, list[Tensor]] = {}
    for index in tiles:
        part = slice(index, index + 1)
        sources = [to_tensor(images(part), device) for images in (pairs.infrared, pairs.visible)]
        with as_method_failure("gives no features"), torch.no_grad():
            output = method(*sources)
            for name in MAPS:
                found.setdefault(name, []).append(getattr(output, name)[0].abs().mean(1)[0])
            for weights in output.attention[:1]:
                found.setdefault("attention", []).append(_received(weights[0]))
    return {name: [map_.float().cpu().numpy() for map_ in maps] for name, maps in found.items()}


def _received(weights: Tensor) -> Tensor:
    """Average (p², p²) weights, whose rows are queries, to one (p, p) weight per key."""
    side = round(weights.shape[1] ** 0.5)
    return weights.mean(0).reshape(side, side)
