"""The log of loss terms per step: a CSV file, and TensorBoard where it is installed."""

import csv
from io import StringIO
from pathlib import Path
from typing import Any

from harness.disk.files import write_text

STEPS_PER_ROW = 10
"""Number of steps between two rows of the log."""


def is_due(step: int, total: int) -> bool:
    """Return whether `step`, counted from 1, gets a row."""
    return step % STEPS_PER_ROW == 0 or step in (1, total)


def write_log(path: Path, rows: list[dict[str, float]]) -> None:
    """Write the rows as CSV; the cell of a missing value stays empty."""
    columns = list(dict.fromkeys(name for row in rows for name in row)) or ["step"]
    text = StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


class TensorBoard:
    """Copy the rows to TensorBoard; do nothing where it is not installed.

    Args:
        folder: the folder of the event files.
        step: the step at which the training continues; TensorBoard drops later events of an
            earlier run.
    """

    def __init__(self, folder: Path, step: int) -> None:
        self._writer: Any = None
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            return
        self._writer = SummaryWriter(str(folder), purge_step=step)

    def add(self, row: dict[str, float]) -> None:
        """Add the values of one row at its step."""
        if self._writer is None:
            return
        for name, value in row.items():
            if name != "step":
                self._writer.add_scalar(name, value, int(row["step"]))

    def close(self) -> None:
        """Flush and close the event file."""
        if self._writer is not None:
            self._writer.close()
