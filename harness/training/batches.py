"""Choose the tiles of each step, and bring them to the device."""

import math
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.errors import MethodFailure
from harness.methods.contract import Batch
from harness.scenes.scene import INFRARED, LABEL

SYMMETRIES = 8
"""Number of rotations by quarter turns, with their mirror images."""


class Batches:
    """The tiles of each step. Only (seed, step) decides them, so that restarts are exact.

    Args:
        tiles: (N, 5, H, W) uint8, usually a memory map.
        size: number of tiles per step.
        seed: decides the order of the tiles.
        parts: number of equal parts of a step's tiles. If the last batch of an epoch does not
            split evenly, the first tiles of the epoch are added to it.
        augment: whether to rotate and mirror each tile at random.
        permute_labels: whether every tile has the labels of another one, which the seed decides.

    Raises:
        MethodFailure: if there is no other tile to take labels from.
    """

    def __init__(
        self,
        tiles: NDArray[np.uint8],
        size: int,
        seed: int,
        *,
        parts: int = 1,
        augment: bool = False,
        permute_labels: bool = False,
    ) -> None:
        self.tiles, self.size, self.seed = tiles, size, seed
        self.parts, self.augment = parts, augment
        self.labels_of = other_tiles(len(tiles), seed) if permute_labels else None
        self.per_epoch = math.ceil(len(tiles) / size)
        self._reader = ThreadPoolExecutor(1, "tiles")
        self._ahead: dict[tuple[int, int], Future[Tensor]] = {}

    def indices(self, step: int) -> NDArray[np.int64]:
        """Return the tile indices of a step, ascending; each epoch visits each tile once."""
        epoch, place = divmod(step, self.per_epoch)
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.tiles))
        chosen = order[place * self.size : (place + 1) * self.size]
        missing = -len(chosen) % self.parts
        return np.sort(np.concatenate([chosen, np.resize(order, missing)]))

    def load(self, step: int, device: torch.device, part: int = 0) -> Batch:
        """Return one part of a step's tiles on the device, and start to read the next step's."""
        tiles = self._ahead.pop((step, part), None) or self._read_later(step, part)
        self._ahead[step + 1, part] = self._read_later(step + 1, part)
        return to_batch(tiles.result().to(device, non_blocking=True))

    def _read_later(self, step: int, part: int) -> Future[Tensor]:
        return self._reader.submit(self._read, step, part)

    def _read(self, step: int, part: int) -> Tensor:
        indices = np.split(self.indices(step), self.parts)[part]
        pixels = self.tiles[indices]
        if self.labels_of is not None:
            pixels[:, LABEL] = self.tiles[self.labels_of[indices], LABEL]
        tiles = torch.from_numpy(pixels)
        if self.augment:
            turns = np.random.default_rng([self.seed, step, part]).integers(
                SYMMETRIES, size=len(tiles)
            )
            tiles = torch.stack([turned(*pair) for pair in zip(tiles, turns.tolist(), strict=True)])
        return tiles.pin_memory() if torch.cuda.is_available() else tiles


def other_tiles(count: int, seed: int) -> NDArray[np.int64]:
    """Return a permutation of `count` tiles that leaves none in its place.

    Raises:
        MethodFailure: if there is only one tile.
    """
    if count < 2:
        raise MethodFailure(
            f"train: permute_labels: found {count} training tile, expected two or more; leave the "
            "setting out"
        )
    order = np.random.default_rng([seed, count]).permutation(count)
    permutation = np.empty(count, np.int64)
    permutation[order] = np.roll(order, 1)
    return permutation


def to_batch(tiles: Tensor) -> Batch:
    """Convert uint8 tiles (B, 5, H, W), on any device, to the batch for `training_loss`."""
    infrared = tiles[:, INFRARED, None].to(torch.float32) / 255
    return Batch(infrared, luma(tiles[:, :3])[:, None] / 255, tiles[:, LABEL].to(torch.int64))


def luma(rgb: Tensor) -> Tensor:
    """Compute `harness.pixels.luma` of uint8 (..., 3, H, W) on the device, identically.

    The weighted sum is below 2²⁴, where float32 is exact, so both round alike to integers from
    0 to 255, here as float32 (..., H, W).
    """
    red, green, blue = rgb.to(torch.float32).unbind(-3)
    return torch.round((299 * red + 587 * green + 114 * blue) / 1000)


def turned(tile: Tensor, symmetry: int) -> Tensor:
    """Return a tile (C, H, W) after one of the 8 symmetries of a square, or 4 of a rectangle."""
    mirrored, quarters = divmod(symmetry, 4)
    if tile.shape[-1] != tile.shape[-2]:
        quarters -= quarters % 2
    if mirrored:
        tile = tile.flip(-1)
    return torch.rot90(tile, quarters, (-2, -1)).contiguous()
