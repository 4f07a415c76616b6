"""An image that shows a data set: a few stored tiles of each split."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness.disk.files import atomic_path
from harness.scenes.scene import INFRARED, LABEL, SPLITS
from harness.tiles.store import TileStore

COLUMNS = 8
"""Tiles shown of each split, evenly spread over its scenes."""
SIDE = 160
"""Longer side of a tile on the sheet, in pixels."""
GAP = 4
WHITE = 255


def contact_sheet(store: TileStore) -> NDArray[np.uint8]:
    """Draw tiles of both splits: (height, width, 3) uint8.

    Each split has one row of visible images, one of infrared images, and one of labels in the
    colours of the data set, black where there is no label. Training comes first.
    """
    rows = [row for split in SPLITS for row in _split_rows(store, split)]
    width = max(row.shape[1] for row in rows)
    padded = [
        np.pad(row, ((0, GAP), (0, width - row.shape[1]), (0, 0)), constant_values=WHITE)
        for row in rows
    ]
    return np.concatenate(padded)[:-GAP]


def _split_rows(store: TileStore, split: str) -> list[NDArray[np.uint8]]:
    tiles = store.tiles(split)
    count = min(COLUMNS, len(tiles))
    if not count:
        return []
    chosen = tiles[np.linspace(0, len(tiles) - 1, count).round().astype(int)]
    step = max(1, -(-max(chosen.shape[2:]) // SIDE))
    chosen = chosen[:, :, ::step, ::step]
    gray = np.repeat(chosen[:, INFRARED, None], 3, axis=1)
    rows = [_row(np.moveaxis(bands, 1, 3)) for bands in (chosen[:, :3], gray)]
    if store.classes:
        palette = np.zeros((256, 3), np.uint8)
        palette[: len(store.classes)] = store.meta["palette"]
        rows.append(_row(palette[chosen[:, LABEL]]))
    return rows


def _row(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    spaced = np.pad(images, ((0, 0), (0, 0), (0, GAP), (0, 0)), constant_values=WHITE)
    return np.concatenate(list(spaced), axis=1)[:, :-GAP]


def write_contact_sheet(folder: Path) -> Path:
    """Write `contact_sheet.png` into the folder of a tile store; return its path."""
    path = folder / "contact_sheet.png"
    with atomic_path(path) as temporary:
        Image.fromarray(contact_sheet(TileStore(folder))).save(temporary, "png")
    return path
