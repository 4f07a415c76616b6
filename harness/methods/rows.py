"""Rows of the tables, and their names: the one place that writes and parses them."""

import re
from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import HarnessError

WORD = "[a-z0-9_]+"
GIVEN = "given"
"""Mark of a row whose images come from a folder, in the place of its weights."""
RUN = rf"{WORD}(@{WORD})?"
"""Pattern of the name of a row that is not stretched: a method and its weights."""
RUN_GIVEN = rf"{WORD}@{GIVEN}"
RUN_FUSED = rf"{WORD}(@(?!{GIVEN}/){WORD})?"
"""Patterns of the rows from folders, and of those that are fused here."""
NAME = re.compile(rf"(?P<method>{WORD})(@(?P<weights>{WORD}))?(\+(?P<stretch>{WORD}))?")


@dataclass(frozen=True)
class Row:
    """One row of a data set's tables: a method, its weights, and the stretch of its output.

    weights: the mode of the weights; empty for the first one that the configuration lists for the
    method. stretch: a key of `harness.pixels.STRETCHES`.
    """

    method: str
    weights: str = ""
    stretch: str = "none"

    @property
    def name(self) -> str:
        """Name in paths and tables: `umfusion`, `umfusion@train`, `umfusion@train+minmax_rgb`."""
        weights = f"@{self.weights}" if self.weights else ""
        return f"{self.method}{weights}{'' if self.raw else f'+{self.stretch}'}"

    @staticmethod
    def parse(name: str) -> "Row":
        """Inverse of `name`.

        Raises:
            HarnessError: if `name` is not of that form.
        """
        found = NAME.fullmatch(name)
        if not found:
            raise HarnessError(
                f"found the row {name!r}, expected METHOD, METHOD@WEIGHTS or METHOD+STRETCH; "
                "correct the name"
            )
        return Row(found["method"], found["weights"] or "", found["stretch"] or "none")

    @property
    def given(self) -> bool:
        """Whether the images come from a folder and are not fused here."""
        return self.weights == GIVEN

    @property
    def raw(self) -> bool:
        """Whether the method's output is measured as it is."""
        return self.stretch == "none"

    @property
    def run(self) -> "Row":
        """The row of the same outputs without a stretch; one job makes all its stretches."""
        return self.stretched("none")

    def stretched(self, stretch: str) -> "Row":
        """Return the row of the same outputs with another stretch."""
        return replace(self, stretch=stretch)


def beside(folder: Path, stretch: str) -> Path:
    """Return the folder of another stretch of the run in `folder`, `<row>/seed<k>`."""
    row = Row.parse(folder.parent.name).stretched(stretch)
    return folder.parents[1] / row.name / folder.name
