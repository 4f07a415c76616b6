"""The loss terms by step: a CSV file, and TensorBoard where it is installed."""

import csv
from io import StringIO
from pathlib import Path
from typing import Any

from harness.disk.files import write_text

EVERY = 10
"""Steps between two lines."""


def is_due(step: int, total: int) -> bool:
    """Whether `step`, counted from 1, gets a line."""
    return step % EVERY == 0 or step in (1, total)


def write_log(path: Path, rows: list[dict[str, float]]) -> None:
    """Write the rows as CSV; a value that a row lacks stays empty."""
    columns = list(dict.fromkeys(name for row in rows for name in row)) or ["step"]
    text = StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


class TensorBoard:
    """Mirrors the rows to TensorBoard; does nothing where it is not installed.

    Args:
        folder: of the event files, beside the checkpoint.
        step: where this part of the training starts; later events of an earlier part go.
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
