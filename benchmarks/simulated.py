"""Adapter of made-up data sets of full size; `benchmarks/scale.py` copies it into its project.

Every scene is the shipped Landsat-7 image, mirrored to the size of the real scenes. Each has its
own shift and gain, so that tiles and scenes differ as real ones do.
"""

import numpy as np

from harness.datasets.landsat7 import adapter as landsat7
from harness.disk.schema import Model, check
from harness.scenes.scene import Dataset, Scene


class Options(Model):
    """Number of test scenes and their size in pixels."""

    scenes: int
    height: int
    width: int


def check_options(options):
    """Check the options."""
    return check(Options, dict(options), "simulated")


def open_dataset(options):
    """Describe the scenes."""
    wanted = check_options(options)
    source = landsat7.open_dataset({})
    parts = [part.read(0, 0, part.height, part.width) for part in source.scenes]
    image = np.concatenate(parts, axis=1)
    scenes = tuple(_scene(image, wanted, index) for index in range(wanted.scenes))
    return Dataset("simulated", scenes, source.classes, source.palette)


def _scene(image, wanted, index):
    rng = np.random.default_rng(index)
    gain = rng.uniform(0.6, 1.4, 4)
    shift = rng.integers(0, 10_000, 2)

    def read(y, x, height, width):
        rows, columns = (
            _mirrored(np.arange(start, start + length) + move, size)
            for start, length, move, size in zip(
                (y, x), (height, width), shift, image.shape[1:], strict=True
            )
        )
        window = image[:, rows][:, :, columns]
        bands = np.clip(window[:4] * gain[:, None, None], 0, 255).astype(np.uint8)
        return np.concatenate([bands, window[4:]])

    return Scene(f"scene{index:02d}", "test", wanted.height, wanted.width, read)


def _mirrored(places, size):
    """Mirror positions beyond the border back inside."""
    return size - 1 - np.abs(places % (2 * size) - (size - 0.5)).astype(int)
