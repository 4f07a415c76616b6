"""A made-up German town in the style of ISPRS Potsdam: exact labels and no download."""

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.datasets.potsdam.classes import CLASSES, PALETTE
from harness.errors import HarnessError
from harness.scenes.options import AdapterOptions, parse_options
from harness.scenes.scene import SPLITS, Dataset, Scene

LEAST = {"train_scenes": 1, "test_scenes": 1, "size": 41, "seed": 0}

GROUND_SAMPLE = 0.16
"""Metres a pixel, unless that would make a scene smaller than `SMALLEST_SIDE` metres."""
SMALLEST_SIDE = 56.0
CELL = 0.12
"""Metres a cell of the rendered ground, or less: smooth edges take two cells a pixel."""
MARGIN = 12.0
"""Metres beyond the picture that are built as well, for the shadows they throw into it."""


class Options(AdapterOptions):
    """How many scenes of which side in pixels; another `seed` is another town."""

    train_scenes: int = 4
    test_scenes: int = 2
    size: int = 640
    seed: int = 0


def check_options(options: Mapping[str, Any]) -> Options:
    """Return the options with their defaults.

    Raises:
        HarnessError: An option is unknown, not an integer, or too small.
    """
    chosen = parse_options(Options, options, "synthetic_urban")
    for key, least in LEAST.items():
        value = getattr(chosen, key)
        if value < least:
            raise HarnessError(f"synthetic_urban: {key} is {value!r}, set it to {least} or more")
    return chosen


def open_dataset(options: Mapping[str, Any]) -> Dataset:
    """Return made-up aerial pictures of a town, labelled with the six Potsdam classes.

    Args:
        options: `train_scenes` (4) and `test_scenes` (2); `size` (640), pixels a side, at least
            41; `seed` (0).

    Returns:
        A data set whose scenes are rendered when first read.

    Raises:
        HarnessError: An option is unknown, not an integer, or too small.
    """
    chosen = check_options(options)
    counts = (chosen.train_scenes, chosen.test_scenes)
    return Dataset(
        title="Synthetic town",
        scenes=tuple(
            _scene(chosen, split, index)
            for split, count in zip(SPLITS, counts, strict=True)
            for index in range(count)
        ),
        classes=CLASSES,
        palette=PALETTE,
        sources=({"name": "rendered by harness.datasets.synthetic_urban", **chosen.model_dump()},),
        notes="Rendered, not photographed: demonstration data with exact labels.",
    )


def _scene(options: Options, split: str, index: int) -> Scene:
    def read(y: int, x: int, height: int, width: int) -> NDArray[np.uint8]:
        whole = render(options.seed, split, index, options.size)
        return whole[:, y : y + height, x : x + width].copy()

    return Scene(f"{split}_{index:02d}", split, options.size, options.size, read)


@lru_cache(maxsize=4)
def render(seed: int, split: str, index: int, size: int) -> NDArray[np.uint8]:
    """Return one scene: uint8 (5, size, size) red, green, blue, infrared, label; read-only.

    It depends on the arguments alone, so scenes may be read in any order and number.
    """
    # SciPy is slow to load, and the workflow imports adapters only to check their options.
    from harness.datasets.synthetic_urban.scene import (
        LABELS,
        Canvas,
        majority,
        photograph,
        radiance,
    )
    from harness.datasets.synthetic_urban.town import build_town

    rng = np.random.default_rng(np.random.SeedSequence((seed, SPLITS.index(split), index)))
    sample = max(GROUND_SAMPLE, SMALLEST_SIDE / size)
    factor = max(2, round(sample / CELL))
    cell = sample / factor
    margin = math.ceil(MARGIN / cell)
    canvas = Canvas(size * factor + 2 * margin, cell, rng)
    build_town(canvas, rng)
    sun = math.radians(rng.uniform(125, 235)), math.radians(rng.uniform(44, 56))
    core = slice(margin, -margin)
    picture = np.empty((5, size, size), np.uint8)
    picture[:4] = photograph(radiance(canvas, *sun)[:, core, core], factor, rng)
    picture[4] = majority(LABELS[canvas.material[core, core]], factor)
    picture.setflags(write=False)
    return picture
