"""What every training learned, as `harness.stages.learning` keeps it, and whether it did."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harness.disk.files import read_json
from harness.disk.records import check_artefact, read_record
from harness.errors import HarnessError
from reports.statistics import Values

UNLEARNED = "did not learn"
"""What stands in every cell, check and message about a training that failed to learn."""
LIMIT = 3.0
"""SegFANet did not learn if its held-out L_f is more than this times the plain average's."""
LEAST_RESPONSE = 0.01
"""An output that follows a change of the inputs by less than this share does not depend on them."""
OPTIMUM = "loss_optimum"
"""The control whose images have the least L_f."""
Terms = Mapping[str, float]


@dataclass(frozen=True)
class Learning:
    """The measures of one run on the test tiles; NaN where nothing is defined.

    loss, average: mean L_f of the fused images, and of the plain average of the sources.
    finite: whether all loss terms and outputs are. response: share of a change of the inputs that
    the output follows. terms: mode, `eval` or `train` → the terms of the loss on the same tiles.
    log: one mapping per logged step of the training. confusion: (classes, classes) pixels by label
    and prediction. reconstructed: (stages, 2) correlation of the IRM images with the infrared and
    the visible image. failure: why the network was not measured.
    """

    loss: float
    average: float
    finite: bool = True
    response: float = math.nan
    terms: Mapping[str, Terms] | None = None
    log: Sequence[Terms] = ()
    confusion: Values | None = None
    reconstructed: Values | None = None
    failure: str = ""

    def total(self, mode: str) -> float:
        """Return the sum of the terms in a mode."""
        terms = (self.terms or {}).get(mode)
        return math.fsum(terms.values()) if terms else math.nan

    @property
    def gap(self) -> float:
        """The loss in evaluation mode minus that in training mode."""
        return self.total("eval") - self.total("train")

    @property
    def labelled(self) -> bool:
        """Whether a class was predicted for any pixel that has a label."""
        return self.confusion is not None and bool(self.confusion.sum())

    @property
    def iou(self) -> Values:
        """(classes,) intersection over union; NaN for a class without label and prediction."""
        assert self.confusion is not None
        both = np.diag(self.confusion)
        union = self.confusion.sum(0) + self.confusion.sum(1) - both
        with np.errstate(invalid="ignore"):
            return np.asarray(both / np.where(union > 0, union, np.nan))

    @property
    def mean_iou(self) -> float:
        """The mean over the classes that have a value; NaN without labels."""
        return float(np.nanmean(self.iou)) if self.labelled else math.nan

    @property
    def accuracy(self) -> float:
        """Share of the labelled pixels whose class is predicted; NaN without labels."""
        if self.confusion is None or not self.labelled:
            return math.nan
        return float(np.trace(self.confusion) / self.confusion.sum())


def why_unlearned(learning: Learning, *, segfanet: bool) -> str:
    """Say why a training did not learn; "" if it did.

    Args:
        learning: the measures of the run.
        segfanet: whether it is SegFANet or a setting of it, which minimises L_f.
    """
    ends = [value for terms in (learning.terms or {}).values() for value in terms.values()]
    if not learning.finite or not all(map(math.isfinite, ends)):
        return "its loss terms or outputs are not finite"
    if learning.response < LEAST_RESPONSE:
        return "its outputs do not depend on the inputs"
    if segfanet and learning.loss > LIMIT * learning.average:
        return (
            f"its held-out L_f of {learning.loss:.3f} is above {LIMIT:g} × {learning.average:.3f}, "
            "that of the plain average"
        )
    return ""


def marked(title: str, row: str, unlearned: Collection[str]) -> str:
    """Return the title of a row, with a mark if its training did not learn."""
    return f"{title} ({UNLEARNED})" if row in unlearned else title


def read_learning(folder: Path) -> Learning | None:
    """Read the measures in the folder of a run; None if its training was not measured.

    Raises:
        HarnessError: naming the file, if one is damaged.
    """
    record_file, table, learned = (
        folder / name for name in ("learning.json", "held_out.csv", "learned.json")
    )
    if not record_file.is_file():
        return None
    record = read_record(record_file)
    for path in (table, learned):
        check_artefact(record, path)
    try:
        losses = pd.read_csv(table)[["fusion_loss", "average_loss"]].astype(np.float64)
        found = _defined(read_json(learned))
        return Learning(
            loss=float(losses["fusion_loss"].mean()),
            average=float(losses["average_loss"].mean()),
            finite=found.get("finite", True),
            response=found.get("response", math.nan),
            terms=found.get("terms"),
            log=found.get("log", ()),
            confusion=_array(found.get("confusion")),
            reconstructed=_array(found.get("reconstructed")),
            failure=record["reason"],
        )
    except (KeyError, ValueError, AttributeError) as error:
        raise HarnessError(
            f"{learned}: is not what the stage `learning` writes: {error!r}; delete it and rerun"
        ) from error


def _array(value: Any) -> Values | None:
    array = np.array(value if value is not None else [], np.float64)
    return array if array.size else None


def _defined(value: Any) -> Any:
    """Return the value with NaN where JSON has none."""
    if isinstance(value, dict):
        return {key: _defined(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_defined(item) for item in value]
    return math.nan if value is None else value
