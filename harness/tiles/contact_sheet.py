"""An image that shows a data set: a few stored tiles of each split."""

from pathlib import Path

import numpy as np
from PIL import Image

from harness.disk.files import atomic_path
from harness.scenes.scene import INFRARED, LABEL, SPLITS
from harness.tiles.array_file import Bytes
from harness.tiles.store import TileStore

COLUMNS = 8
"""Tiles shown of each split, evenly spread over its scenes."""
SIDE = 160
"""Longer side of a tile on the sheet, in pixels."""
GAP = 4
WHITE = 255


def contact_sheet(store: TileStore) -> Bytes:
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


def _split_rows(store: TileStore, split: str) -> list[Bytes]:
    pairs = store.pairs(split)
    count = min(COLUMNS, len(pairs))
    chosen = [int(index) for index in np.linspace(0, len(pairs) - 1, count).round()]
    tiles = [_small(pairs.pixels(slice(index, index + 1))[0]) for index in chosen]
    if not tiles:
        return []
    rows = [
        _row([np.moveaxis(tile[:3], 0, 2) for tile in tiles]),
        _row([np.repeat(tile[INFRARED, :, :, None], 3, axis=2) for tile in tiles]),
    ]
    if store.classes:
        palette = np.zeros((256, 3), np.uint8)
        palette[: len(store.classes)] = store.meta["palette"]
        rows.append(_row([palette[tile[LABEL]] for tile in tiles]))
    return rows


def _small(tile: Bytes) -> Bytes:
    step = max(1, -(-max(tile.shape[1:]) // SIDE))
    return tile[:, ::step, ::step]


def _row(images: list[Bytes]) -> Bytes:
    """Join (h, w, 3) images side by side, the upper edges at one height."""
    height = max(len(image) for image in images)
    padded = [
        np.pad(image, ((0, height - len(image)), (0, GAP), (0, 0)), constant_values=WHITE)
        for image in images
    ]
    return np.concatenate(padded, axis=1)[:, :-GAP]


def write_contact_sheet(folder: Path) -> Path:
    """Write `contact_sheet.png` into the folder of a tile store; return its path."""
    path = folder / "contact_sheet.png"
    with atomic_path(path) as temporary:
        Image.fromarray(contact_sheet(TileStore(folder))).save(temporary, "png")
    return path
