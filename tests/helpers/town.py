"""The shipped town in a small size, as a folder of pairs for tests that need data quickly."""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from PIL import Image

from harness.datasets.synthetic_urban.adapter import FOLDER, TILES_OPTIONS

SIDE = 640
"""Rows and columns of the shipped images."""


@cache
def small_town(size, *, train=1):
    """Thin out `train` training scenes and the test scene; return options for `tiles`.

    Every n-th pixel is kept, so that even a small scene holds all classes. The folder is
    removed when the tests end.
    """
    root = Path(tempfile.mkdtemp(prefix="small-town-"))
    # Some tests run a stage as a user without any rights.
    root.chmod(0o755)
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    whole = SIDE // size * size
    for kind in ("rgb", "ir", "seg"):
        (root / kind).mkdir()
        for name in ("test_00", *(f"train_{index:02d}" for index in range(train))):
            with Image.open(FOLDER / kind / f"{name}.png") as image:
                box = (0, 0, whole, whole)
                small = image.resize((size, size), Image.Resampling.NEAREST, box)
            small.save(root / kind / f"{name}.png")
    return {**TILES_OPTIONS, "root": str(root)}
