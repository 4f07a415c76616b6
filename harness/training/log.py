"""The log of loss terms per step: a CSV file, and TensorBoard where it is installed."""

import csv
from contextlib import suppress
from io import StringIO
from pathlib import Path
from typing import Any

from harness.disk.files import write_text
from metrics.texts import csv_cell

STEPS_PER_ROW = 10
"""Number of steps between two rows of the log."""


RATE = "images_s"
"""Column of the measured speed, the only one that differs between equal trainings."""


def is_due(step: int, total: int) -> bool:
    """Return whether `step`, counted from 1, gets a row."""
    return step % STEPS_PER_ROW == 0 or step in (1, total)


def write_log(path: Path, rows: list[dict[str, float]]) -> None:
    """Write the rows as CSV; the cell of a missing value stays empty."""
    columns = list(dict.fromkeys(name for row in rows for name in row)) or ["step"]
    text = StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writerow({name: csv_cell(name) for name in columns})
    writer.writerows(rows)
    write_text(path, text.getvalue())


def tensorboard(folder: Path, step: int) -> Any:
    """Return a writer of event files, or None where TensorBoard is not installed.

    TensorBoard drops events of an earlier run after `step`, at which the training continues.
    """
    with suppress(ImportError):
        from torch.utils.tensorboard import SummaryWriter

        return SummaryWriter(str(folder), purge_step=step)
    return None
