"""VIFB: its definitions, its published values, and how many of them a folder of images gives.

A value agrees if it is the published one in all five digits that were printed.
"""

import csv
import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import MetricError
from ..images import SUFFIXES
from ..shared.arrays import Image, Values
from ..shared.histograms import mutual_information
from ..shared.human_eye import stretch

FOLDERS = {"infrared": "IR", "visible": "VI"}
VALUES = Path(__file__).with_name("vifb.csv")
REMEASURED = ("YDTR", "SwinFusion")
"""Methods whose published images are not the ones that were measured, as their values show."""

Names = dict[str, dict[str, Path]]


def decibels(peak: float, error: float) -> float:
    """Compute 10 log₁₀ (peak² / error), ±∞ at the ends and NaN where both are 0."""
    if error == 0:
        return math.inf if peak > 0 else math.nan
    return 10 * math.log10(peak**2 / error) if peak > 0 else -math.inf


def sf(fused: Image, infrared: Image, visible: Image) -> float:
    """Divide both sums of squared differences by H·W."""
    squares = np.sum(np.diff(fused, axis=0) ** 2) + np.sum(np.diff(fused, axis=1) ** 2)
    return math.sqrt(float(squares) / fused.size)


def mi(fused: Image, infrared: Image, visible: Image) -> float:
    """Compute the mutual information, in nats, of images that are first stretched to 0-255."""
    f, a, b = (
        image if image.min() == image.max() else stretch(image)
        for image in (fused, infrared, visible)
    )
    return (mutual_information(f, a) + mutual_information(f, b)) * math.log(2)


def rmse(fused: Image, infrared: Image, visible: Image) -> float:
    """Average the norm of the difference over H·W, which is no root of a mean."""
    norms = [math.sqrt(float(np.sum((fused - s) ** 2))) for s in (infrared, visible)]
    return sum(norms) / 2 / fused.size


def psnr(fused: Image, infrared: Image, visible: Image) -> float:
    """Take that norm over H·W for the mean squared error."""
    return decibels(255.0, rmse(fused, infrared, visible))


class Published(NamedTuple):
    """The published values, as they were printed: per method and image one per metric."""

    metrics: tuple[str, ...]
    values: dict[str, dict[str, tuple[str, ...]]]


@cache
def published() -> Published:
    """Read the 6,825 published values of 25 methods and 21 pairs."""
    with VALUES.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    values: dict[str, dict[str, tuple[str, ...]]] = {}
    for method, image, *row in rows:
        values.setdefault(method, {})[image] = tuple(row)
    return Published(tuple(header[2:]), values)


def find(folder: Path) -> dict[str, Names]:
    """Find the fused images of published methods, and their sources, anywhere below a folder.

    Returns:
        Per method and pair the files of "infrared", "visible" and the method.

    Raises:
        MetricError: the folder is missing, holds none of them, or lacks a source.
    """
    if not folder.is_dir():
        raise MetricError(f"{folder}: is not a folder; name the one that holds VIFB's images")
    images = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
    )
    sources = {(path.parent.name, path.stem): path for path in images}
    found: dict[str, Names] = {}
    for path in images:
        pair, _, method = path.stem.partition("_")
        if pair not in published().values.get(method, {}):
            continue
        files = {role: sources.get((name, pair)) for role, name in FOLDERS.items()}
        for role, source in files.items():
            if source is None:
                raise MetricError(
                    f"{path}: found no {role} image {FOLDERS[role]}/{pair} below {folder}, "
                    "expected VIFB's folders IR and VI; add it"
                )
        known = {role: source for role, source in files.items() if source is not None}
        found.setdefault(method, {})[pair] = {**known, method: path}
    if not found:
        raise MetricError(
            f"{folder}: found no fused image of a published method, expected names such as "
            "carLight_GTF.jpg; name the folder of VIFB's repository"
        )
    return found


class Agreement(NamedTuple):
    """How many values of a method agree, of how many, and the largest relative difference."""

    equal: int
    total: int
    largest: float


def compare(method: str, pairs: list[str], columns: Mapping[str, Values]) -> Agreement:
    """Compare the measured values of one method with the published ones, digit by digit."""
    names, values = published()
    printed = [values[method][pair] for pair in pairs]
    ours = np.array([columns[name] for name in names]).T
    theirs = np.array(printed, np.float64)
    rounded = np.array([[float(f"{value:.5g}") for value in row] for row in ours])
    difference = np.abs(ours - theirs) / np.abs(theirs)
    return Agreement(int((rounded == theirs).sum()), theirs.size, float(difference.max()))
