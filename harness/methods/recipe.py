"""How a method is trained: the `train` section of method.yaml and of the configuration."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.errors import HarnessError


@dataclass(frozen=True)
class Recipe:
    """Defaults are the paper's settings for SegFANet; `config/README.md` explains each key.

    `batch` is the number of tiles of one optimiser step. `accumulate` and `processes` only
    say in how many forward passes and on how many devices they are taken.

    Raises:
        HarnessError: if the batch cannot be split evenly.
    """

    epochs: int = 50
    steps: int | None = None
    batch: int = 2
    learning_rate: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.999)
    schedule: str = "constant"
    warmup: int = 0
    augment: bool = False
    precision: str = "fp32"
    accumulate: int = 1
    processes: int = 1
    compile: bool = False
    validate_every: int = 0
    validation_share: float = 0.1
    select: str = "last"
    checkpoint_seconds: float = 60.0

    def __post_init__(self) -> None:
        if self.batch % self.parts:
            raise HarnessError(
                f"train: a batch of {self.batch} does not split into {self.parts} equal parts "
                f"(accumulate {self.accumulate} × processes {self.processes}); change one of them"
            )
        if self.select == "best" and not self.validate_every:
            raise HarnessError("train: `select: best` needs `validate_every`, in epochs")

    @staticmethod
    def of(section: Mapping[str, Any] | None) -> "Recipe":
        """The recipe in a `train` section, which also says whether the data need labels."""
        return Recipe(**{key: value for key, value in (section or {}).items() if key != "labels"})

    @property
    def parts(self) -> int:
        """Forward passes of one step, over all processes."""
        return self.accumulate * self.processes

    def total_steps(self, tiles: int) -> int:
        """Number of optimiser steps for a split of `tiles` tiles."""
        return self.steps or self.epochs * math.ceil(tiles / self.batch)

    def rate(self, step: int, total: int) -> float:
        """Learning rate of a step: linear warm-up, then constant or half a cosine down to 0."""
        if step < self.warmup:
            return self.learning_rate * (step + 1) / self.warmup
        if self.schedule == "constant":
            return self.learning_rate
        progress = (step - self.warmup) / max(1, total - self.warmup)
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))
