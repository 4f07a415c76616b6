"""The rendered town that the repository contains: four registered scenes with exact labels.

`README.md` is the data card: how the images were rendered, and from which commit.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.datasets.potsdam.classes import CLASSES, PALETTE
from harness.datasets.tiles import adapter as tiles
from harness.disk.schema import check
from harness.scenes.options import NoOptions
from harness.scenes.scene import Dataset
from harness.scenes.shipped import check_shipped

FOLDER = Path(__file__).parent
SUMS = FOLDER / "SHA256SUMS"
HASHES = {name: digest for digest, name in map(str.split, SUMS.read_text().splitlines())}
"""Expected SHA-256 of every image, by its path below this folder."""
DATA_FILES = (SUMS, *(FOLDER / name for name in HASHES))

TILES_OPTIONS = {
    "root": str(FOLDER),
    "title": "Synthetic town",
    "test": ["test_00"],
    "classes": list(CLASSES),
    "palette": [list(colour) for colour in PALETTE],
}
"""Options of the adapter `tiles` that describe the images."""


def check_options(options: Mapping[str, Any]) -> None:
    """Refuse every option."""
    check(NoOptions, dict(options), "synthetic_urban")


def open_dataset(options: Mapping[str, Any]) -> Dataset:
    """Return three scenes to train on and one to test on, each of 640×640 pixels.

    Raises:
        HarnessError: for any option, or if an image is missing or is not the expected one.
    """
    check_options(options)
    for name, expected in HASHES.items():
        check_shipped(FOLDER / name, expected)
    return replace(
        tiles.open_dataset(TILES_OPTIONS),
        sources=tuple({"name": name, "sha256": digest} for name, digest in HASHES.items()),
        notes="Rendered, not photographed: demonstration data with exact labels.",
    )
