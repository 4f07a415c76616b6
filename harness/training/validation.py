"""Measure a method between epochs, on scenes that are held back from training."""

import importlib
import math

import numpy as np
import torch
from numpy.typing import NDArray

from harness.methods.contract import TrainableMethod
from harness.pixels import quantise
from harness.tiles.store import Pairs
from harness.training.batches import to_batch


def held_back(scenes: list[str], share: float) -> int:
    """Return the number of tiles to hold back at the end of the training split.

    Whole scenes are held back, because neighbouring tiles are similar. If this would leave
    nothing to train on, single tiles are held back. `scenes` names the scene of each of two tiles
    or more; `share` is in (0, 1).
    """
    start = max(1, len(scenes) - math.ceil(share * len(scenes)))
    return len(scenes) - (scenes.index(scenes[start]) or start)


class Validation:
    """The loss and the paper's metrics over held-back tiles (N, 5, H, W), `batch` per pass."""

    def __init__(self, tiles: NDArray[np.uint8], batch: int) -> None:
        self.tiles, self.batch = tiles, batch
        # Do not use an import statement: a change of imported code makes trained weights out of
        # date, but metrics only change the log and never a weight.
        self._metrics = importlib.import_module("metrics")

    def measure(self, method: TrainableMethod, device: torch.device) -> dict[str, float]:
        """Return means over the tiles: `validation_loss`, its terms, and each metric.

        The method must be in evaluation mode.
        """
        starts = range(0, len(self.tiles), self.batch)
        columns: dict[str, list[NDArray[np.float64]]] = {}
        for part in (slice(start, start + self.batch) for start in starts):
            for name, values in self._measure(method, device, part).items():
                columns.setdefault(f"validation_{name}", []).append(values)
        return {name: float(np.concatenate(values).mean()) for name, values in columns.items()}

    def _measure(
        self, method: TrainableMethod, device: torch.device, part: slice
    ) -> dict[str, NDArray[np.float64]]:
        pairs = Pairs(self.tiles[part])
        batch = to_batch(torch.from_numpy(np.array(pairs.tiles)).to(device))
        with torch.no_grad():
            terms = {name: term.item() for name, term in method.training_loss(batch).items()}
            fused = method.fuse(batch.infrared, batch.visible).cpu().numpy()[:, 0]
        every = slice(None)
        scores = self._metrics.score(quantise(fused), pairs.infrared(every), pairs.visible(every))
        losses = {"loss": sum(terms.values()), **terms}
        return {**{name: np.full(len(pairs), v) for name, v in losses.items()}, **scores}
