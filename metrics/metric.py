"""What one metric is: its definition, its compiled path where it has one, and what it means."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import ArrayLike

from .shared.arrays import ImageMetric, Values, per_image


@dataclass(frozen=True)
class Metric:
    """A metric, and what a reader must know to use its numbers.

    `dataclasses.replace(metric, define=...)` drops `fast`, which computes the former definition.

    Attributes:
        name: key in `METRICS` and column name in the tables.
        title: full name.
        define: the specification, from fused, infrared and visible to the value. Each image is
            (H, W) float64, finite and in [0, 255].
        range: smallest and largest possible value, infinite where there is no bound.
        formula: the definition in symbols, with F fused, I infrared, V visible.
        citation: the paper that defines it.
        equals: public implementations that give this value, and its name there.
        unit: unit of the value, "1" for a pure number.
        larger_is_better: the direction in which the field reads the value.
        undefined: when the value is NaN; empty if it never is on finite pixels.
        minimum: the smallest side of an image, in pixels, that `define` can take.
        fast: the same value, to rounding, from a `metrics.fast.engine.CompiledPair`, whose module
            imports definitions and is therefore not imported here; None if there is none.
        side_by_side: where channels are measured one by one, whether the metric sees the three
            channels of a colour image as one wide image.
        place: the column's place in tables; equal places are sorted by name.
    """

    name: str
    title: str
    define: ImageMetric
    range: tuple[float, float]
    formula: str
    citation: str
    equals: tuple[str, ...]
    unit: str = "1"
    larger_is_better: bool = True
    undefined: str = ""
    minimum: int = 1
    fast: Callable[[Any], float] | None = None
    side_by_side: bool = False
    place: int = 100
    _paths: tuple[object, object] | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Keep `fast` only with the definition that it was written for."""
        define, fast = self._paths or (self.define, self.fast)
        if self.define is not define and self.fast is fast:
            object.__setattr__(self, "fast", None)
        object.__setattr__(self, "_paths", (self.define, self.fast))

    @property
    def sign(self) -> int:
        """1 or −1, so that a value times it is larger where the image is better."""
        return 1 if self.larger_is_better else -1

    @property
    def arrow(self) -> str:
        """The better direction as a character."""
        return "↑" if self.larger_is_better else "↓"

    def measure(self, fused: ArrayLike, infrared: ArrayLike, visible: ArrayLike) -> Values:
        """Measure batches (B, H, W) on the 0-255 scale by the definition; see `per_image`."""
        return per_image(
            self.define, fused, infrared, visible, metric=self.name, minimum=self.minimum
        )
