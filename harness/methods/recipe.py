"""How a method is trained: the `train` section of method.yaml and of the configuration."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, Strict, model_validator

from harness.disk.schema import Model
from harness.errors import HarnessError

Beta = Annotated[float, Field(ge=0, lt=1)]


class RecipeKeys(Model):
    """The keys of a recipe; the defaults are the paper's settings for SegFANet."""

    epochs: int = Field(50, ge=1, description="passes over the training tiles")
    steps: int | None = Field(None, ge=1, description="optimiser steps; overrides `epochs`")
    batch: int = Field(2, ge=1, description="tiles of one optimiser step")
    learning_rate: float = Field(1e-4, gt=0, description="learning rate of Adam")
    betas: Annotated[tuple[Beta, Beta], Strict(False)] = Field(
        (0.9, 0.999), description="the two decay rates of Adam"
    )
    schedule: Literal["constant", "cosine"] = Field(
        "constant", description="learning rate after the warm-up; `cosine` falls to 0"
    )
    warmup: int = Field(0, ge=0, description="steps in which the learning rate rises linearly")
    augment: bool = Field(
        False, description="turn and mirror every tile at random, by quarter turns"
    )
    permute_labels: bool = Field(
        False, description="give every tile the labels of another one, chosen once by the seed"
    )
    precision: Literal["fp32", "bf16", "fp16"] = Field(
        "fp32", description="precision of the forward pass; losses and weights stay in fp32"
    )
    compile: bool = Field(
        False, description="compile network and loss with `torch.compile` (needs a C++ compiler)"
    )
    accumulate: int = Field(
        1, ge=1, description="forward passes that share the tiles of a step, to save memory"
    )
    processes: int = Field(
        1, ge=1, description="processes that share the tiles of a step, each on its own GPU"
    )
    validate_every: int = Field(
        0, ge=0, description="epochs between two measurements on held-back training tiles; 0: never"
    )
    validation_share: float = Field(
        0.1, gt=0, lt=1, description="share of the training tiles held back for that, whole scenes"
    )
    select: Literal["last", "best"] = Field(
        "last",
        description="weights that fuse; `best` has the smallest validation loss and needs "
        "`validate_every`",
    )
    checkpoint_seconds: float = Field(60.0, ge=0, description="longest work that a kill can lose")


class MethodRecipe(RecipeKeys):
    """The `train` section of method.yaml."""

    labels: bool = Field(
        False, description="the class takes `classes=<number>`, and the tiles need labels"
    )


class Recipe(RecipeKeys):
    """A complete recipe, of which all keys fit together.

    `batch` is the number of tiles of one optimiser step. `accumulate` and `processes` only
    say in how many forward passes and on how many devices they are taken.

    Raises:
        HarnessError: if the batch cannot be split evenly, or the best weights are asked for
            without a measurement that finds them.
    """

    @model_validator(mode="after")
    def _fits(self) -> "Recipe":
        if self.batch % self.parts:
            raise HarnessError(
                f"train: a batch of {self.batch} does not split into {self.parts} equal parts "
                f"(accumulate {self.accumulate} × processes {self.processes}); change one of them"
            )
        if self.select == "best" and not self.validate_every:
            raise HarnessError("train: `select: best` needs `validate_every`, in epochs")
        return self

    @staticmethod
    def of(section: Mapping[str, Any] | None) -> "Recipe":
        """Return the recipe in a `train` section, which may also say `labels`."""
        return Recipe(**{key: value for key, value in (section or {}).items() if key != "labels"})

    @property
    def parts(self) -> int:
        """Forward passes of one step, over all processes."""
        return self.accumulate * self.processes

    def total_steps(self, tiles: int) -> int:
        """Return the number of optimiser steps for a split of `tiles` tiles."""
        return self.steps or self.epochs * math.ceil(tiles / self.batch)

    def rate(self, step: int, total: int) -> float:
        """Return the learning rate of a step: linear warm-up, then constant or half a cosine."""
        if step < self.warmup:
            return self.learning_rate * (step + 1) / self.warmup
        if self.schedule == "constant":
            return self.learning_rate
        progress = (step - self.warmup) / max(1, total - self.warmup)
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))
