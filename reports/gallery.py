"""Images of a bounded number of tiles: some inside the page, the others in files beside it."""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from harness.disk.files import atomic_path
from harness.disk.records import read_record
from harness.pixels import Bytes
from harness.tiles.array_file import Images
from harness.tiles.store import ROUNDED, TileStore, read_fused
from reports.plan import PlannedDataset, ReportPlan

EMBEDDED_BYTES = 3_000_000
"""Bytes of all images inside the page; images that do not fit become files."""


def fused_stacks(plan: ReportPlan, dataset: PlannedDataset, rows: list[str]) -> dict[str, Images]:
    """Memory-map the fused stack of every row's first seed.

    Raises:
        HarnessError: naming the file, if its bytes are not those that its record lists.
    """
    sizes = plan.store(dataset).test.sizes
    return {
        row: read_fused(folder / "fused.npy", record, sizes)
        for row, folder, record in _fusings(plan, dataset, rows)
    }


def rounded_stacks(
    plan: ReportPlan, dataset: PlannedDataset, rows: list[str], tiles: list[int]
) -> dict[str, Images]:
    """Memory-map the rounded images of some tiles of those rows that have them.

    Raises:
        HarnessError: naming the file, if its bytes are not those that its record lists.
    """
    store_sizes = plan.store(dataset).test.sizes
    sizes = [store_sizes[tile] for tile in tiles]
    return {
        row: read_fused(folder / ROUNDED, record, sizes)
        for row, folder, record in _fusings(plan, dataset, rows)
        if ROUNDED in record["artefacts"]
    }


def _fusings(
    plan: ReportPlan, dataset: PlannedDataset, rows: list[str]
) -> Iterator[tuple[str, Path, dict[str, Any]]]:
    """Yield each row with the folder and the record of its first seed's fused images."""
    for row in rows:
        folder = plan.folder(dataset, row, plan.method(row).seeds[0])
        yield row, folder, read_record(folder / "fused.json")


def tile_images(store: TileStore, stacks: Mapping[str, Images], index: int) -> dict[str, bytes]:
    """Return the PNG files of one tile: both sources and the luma of every row.

    The keys `.visible` and `.infrared` start with a dot, as no row's name does.
    """
    part = slice(index, index + 1)
    images = {
        ".visible": np.moveaxis(store.test.rgb(part)[0], 0, 2),
        ".infrared": store.test.infrared(part)[0],
        **{row: _shown(stack[index]) for row, stack in stacks.items()},
    }
    return {name: png(image) for name, image in images.items()}


def _shown(image: Bytes) -> Bytes:
    return np.moveaxis(image, 0, 2) if image.ndim == 3 else image


def png(image: Bytes) -> bytes:
    """Encode (H, W) or (H, W, 3) losslessly."""
    stream = BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(stream, format="png")
    return stream.getvalue()


def data_url(image: bytes) -> str:
    """Return a PNG file as a data URL."""
    return "data:image/png;base64," + base64.b64encode(image).decode("ascii")


@dataclass
class Gallery:
    """Returns addresses of images: data URLs until the page is full, then files.

    folder: the page's folder, or None to leave out images that do not fit. budget: bytes left.
    """

    folder: Path | None
    budget: int = EMBEDDED_BYTES

    def place(self, dataset: str, index: int, images: Mapping[str, bytes]) -> dict[str, str]:
        """Return the addresses of one tile's images; empty if there is no place for them."""
        size = sum(len(image) for image in images.values()) * 4 // 3
        if size <= self.budget:
            self.budget -= size
            return {name: data_url(image) for name, image in images.items()}
        if self.folder is None:
            return {}
        return {
            name: self._write(f"tiles/{dataset}/{index}/{name.strip('.')}.png", image)
            for name, image in images.items()
        }

    def _write(self, name: str, image: bytes) -> str:
        assert self.folder is not None
        with atomic_path(self.folder / name) as temporary:
            temporary.write_bytes(image)
        return name
