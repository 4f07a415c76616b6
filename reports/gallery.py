"""Pictures of a bounded number of tiles: some inside the page, the rest as files beside it."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness.disk.files import atomic_path
from harness.disk.records import read_record
from harness.tiles.store import TileStore, read_fused
from reports.plan import PlannedDataset, ReportPlan

EMBEDDED_BYTES = 3_000_000
"""Of all pictures inside the page; what does not fit goes beside it."""
Picture = NDArray[np.uint8]


def fused_stacks(plan: ReportPlan, dataset: PlannedDataset, rows: list[str]) -> dict[str, Picture]:
    """Memory-map the fused stack (N, H, W) of every row's first seed.

    Raises:
        HarnessError: naming the file, if one is not what its record vouches for.
    """
    stacks = {}
    for row in rows:
        folder = plan.folder(dataset, row, plan.method(row).seeds[0])
        stacks[row] = read_fused(folder / "fused.npy", read_record(folder / "fused.json"))
    return stacks


def tile_pictures(store: TileStore, stacks: Mapping[str, Picture], index: int) -> dict[str, bytes]:
    """PNG files of one tile: "visible" in colour, "infrared", and the luma of every row.

    The sources' keys start with a dot, which no method's name does.
    """
    part = slice(index, index + 1)
    pictures = {
        ".visible": np.moveaxis(store.test.rgb(part)[0], 0, 2),
        ".infrared": store.test.infrared(part)[0],
        **{row: np.asarray(stack[index]) for row, stack in stacks.items()},
    }
    return {name: png(picture) for name, picture in pictures.items()}


def png(picture: Picture) -> bytes:
    """Encode (H, W) or (H, W, 3) losslessly."""
    stream = BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(stream, format="png")
    return stream.getvalue()


def data_url(picture: bytes) -> str:
    """A PNG file as a data URL."""
    return "data:image/png;base64," + base64.b64encode(picture).decode("ascii")


@dataclass
class Gallery:
    """Hands out addresses of pictures until the page is full, then writes files.

    folder: of the page, or None to leave out what does not fit inside. budget: bytes left.
    """

    folder: Path | None
    budget: int = EMBEDDED_BYTES

    def place(self, dataset: str, index: int, pictures: Mapping[str, bytes]) -> dict[str, str]:
        """Addresses of one tile's pictures; empty if they have no place."""
        size = sum(len(picture) for picture in pictures.values()) * 4 // 3
        if size <= self.budget:
            self.budget -= size
            return {name: data_url(picture) for name, picture in pictures.items()}
        if self.folder is None:
            return {}
        return {
            name: self._write(f"tiles/{dataset}/{index}/{name.strip('.')}.png", picture)
            for name, picture in pictures.items()
        }

    def _write(self, name: str, picture: bytes) -> str:
        assert self.folder is not None
        with atomic_path(self.folder / name) as temporary:
            temporary.write_bytes(picture)
        return name
