"""A world whose truth is known, for the error rates of verdicts."""

import math
from dataclasses import dataclass

import numpy as np

from reports.analysis import Analysis
from reports.orders import judge_orders
from reports.rows import judge_value
from reports.verdicts import REPEATABILITY, judge_sign

LEVEL = 10.0
"""The value of every method under every metric, but for its shift."""
ROUNDING = 5e-5
TILES = 4
"""Tiles per scene; each varies as much as its scene."""


@dataclass(frozen=True)
class Noise:
    """What is a matter of chance in a world; spreads are shares of the value.

    scenes: number of test scenes, the paper's being others; 0 if they are the paper's own.
    seeds: number of trainings of ours, the paper having one; 0 for weights of others.
    """

    name: str
    scenes: int = 0
    scene_spread: float = 0.0
    seeds: int = 0
    seed_spread: float = 0.0

    @property
    def tolerance(self) -> float:
        """Tolerance at the true spread, as a share of the value."""
        return ROUNDING / LEVEL + REPEATABILITY * self.seed_spread


NOISES = (
    Noise("none: authors' weights, the paper's tiles"),
    Noise("7 other scenes, spread 10 %", scenes=7, scene_spread=0.1),
    Noise("20 other scenes, spread 2 %", scenes=20, scene_spread=0.02),
    Noise("3 seeds, spread 0.1 %", seeds=3, seed_spread=0.001),
    Noise("3 seeds, spread 3 %", seeds=3, seed_spread=0.03),
    Noise("10 seeds, spread 0.1 %", seeds=10, seed_spread=0.001),
    Noise("10 seeds, spread 1 %", seeds=10, seed_spread=0.01),
    Noise("30 seeds, spread 1 %", seeds=30, seed_spread=0.01),
    Noise("10 seeds, spread 1 %; 7 other scenes, spread 2 %", 7, 0.02, 10, 0.01),
)
SHIFTS = (0.0, 0.01, 0.03, 0.14)


def _sample(rng, noise, draws, trainings, scenes):
    """Return values (trainings, tiles, draws) of one method."""
    shape = (scenes, draws)
    scene = np.repeat(rng.normal(0, noise.scene_spread, shape), TILES, axis=0)
    tile = rng.normal(0, noise.scene_spread, (scenes * TILES, draws))
    seed = rng.normal(0, noise.seed_spread, (trainings, 1, draws))
    return LEVEL * (1 + scene + tile + seed)


def _analysis(values, trained, noise):
    scenes = [f"s{i}" for i in np.repeat(np.arange(noise.scenes or 5), TILES)]
    names = [f"t{i}" for i in range(len(scenes))]
    draws = next(iter(values.values())).shape[2]
    metrics = tuple(f"m{i}" for i in range(draws))
    return Analysis(names, scenes, metrics, values, trained, not noise.scenes)


def value_verdicts(noise, shift, draws, seed=0):
    """Judge a printed value from which ours truly differs by a share `shift`, `draws` times."""
    rng = np.random.default_rng(seed)
    scenes = noise.scenes or 5
    ours = _sample(rng, noise, draws, max(noise.seeds, 1), scenes) + shift * LEVEL
    theirs = _sample(rng, noise, draws, 1, scenes).mean(axis=(0, 1))
    analysis = _analysis({"m": ours}, ["m"] if noise.seeds else [], noise)
    return [
        judge_value(analysis, "m", metric, f"{value:.4f}").verdict
        for metric, value in zip(analysis.metrics, theirs, strict=True)
    ]


def truth(noise, shift):
    """Return the true verdict: `reproduced` where the shift is within the tolerance."""
    return "reproduced" if abs(shift) <= noise.tolerance else "differs"


def claim_verdicts(seeds, effect, draws, seed=0):
    """Judge that one trained method is better; the truth is `effect`, in seed spreads."""
    rng = np.random.default_rng(seed)
    noise = Noise("", seeds=seeds, seed_spread=0.01)
    first = _sample(rng, noise, draws, seeds, 5) + effect * 0.01 * LEVEL
    second = _sample(rng, noise, draws, seeds, 5)
    analysis = _analysis({"a": first, "b": second}, ["a", "b"], noise)
    return [
        judge_sign(
            analysis.difference(metric, "a", "b"), analysis.chances(metric, "a", "b"), math.nan
        ).verdict
        for metric in analysis.metrics
    ]


def order_verdicts(levels, scenes, draws, seed=0):
    """Judge the order a > b > c > d of methods whose true values are `levels`, 1 % noise each."""
    rng = np.random.default_rng(seed)
    noise = Noise("", scenes=scenes, scene_spread=0.01)
    names = "abcd"[: len(levels)]
    printed = {(name, "sf"): str(9 - place) for place, name in enumerate(names)}
    found = []
    for _ in range(draws):
        values = {
            name: _sample(rng, noise, 1, 1, scenes) + level
            for name, level in zip(names, levels, strict=True)
        }
        labels = [f"s{i}" for i in np.repeat(np.arange(scenes), TILES)]
        tiles = [f"t{i}" for i in range(len(labels))]
        analysis = Analysis(tiles, labels, ("sf",), values)
        (order,) = judge_orders(analysis, printed, {name: name for name in names})
        found.append(order.verdict)
    return found
