"""The per-image tables of a run, and the reasons of failed runs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from harness.disk.records import check_artefact, read_record
from harness.errors import HarnessError
from harness.methods.rows import Row
from metrics.texts import from_csv_cell, printable
from reports.learning import Learning, read_learning, why_unlearned
from reports.plan import PlannedDataset, ReportPlan


@dataclass(frozen=True)
class Run:
    """One row of a data set with one seed: its per-image table, or why there is none.

    folder: the folder with the run's files. fusing: the record of its fusing. learning: measures
    of its training; None if there was none. unlearned: why the training did not learn, else "".
    """

    dataset: str
    row: str
    seed: int
    folder: Path
    scores: pd.DataFrame
    failure: str
    fusing: dict[str, Any]
    learning: Learning | None = None
    unlearned: str = ""

    @property
    def weights(self) -> dict[str, Any]:
        """What the record of its fusing says about the weights; empty without weights."""
        return self.fusing["details"].get("weights") or {}

    @property
    def trained(self) -> bool:
        """Whether its weights were trained here."""
        return self.weights.get("origin") == "retrained"

    @property
    def training(self) -> dict[str, Any]:
        """The record of its training; empty if there was none."""
        path = self.folder / "training.json"
        return read_record(path) if path.is_file() else {}


def read_runs(plan: ReportPlan, dataset: PlannedDataset) -> list[Run]:
    """Read all runs of a data set.

    Raises:
        HarnessError: naming the file, if a table is missing or damaged.
    """
    runs = []
    for row in dataset.rows:
        for seed in plan.method(row).seeds:
            folder = plan.folder(dataset, row, seed)
            scores, failure = _read_scores(folder)
            fusing = read_record(folder / "fused.json")
            # All stretches of a row show what one training learned.
            learning = read_learning(plan.folder(dataset, Row.parse(row).run.name, seed))
            why = ""
            if learning is not None:
                why = why_unlearned(learning, segfanet=plan.method(row).trained)
            run = (dataset.name, row, seed, folder, scores, failure, fusing)
            runs.append(Run(*run, learning, why))
    return runs


def _read_scores(folder: Path) -> tuple[pd.DataFrame, str]:
    record = read_record(folder / "scores.json")
    path = folder / "scores.csv"
    check_artefact(record, path)
    try:
        # A tile may have the name "1" or "NA"; it must remain text.
        scores = pd.read_csv(path, dtype={"tile": str}, keep_default_na=False, na_values={"": []})
        values = scores.drop(columns=["dataset", "method", "seed", "tile"])
        numbers = values.apply(pd.to_numeric, errors="coerce")
        tiles = scores["tile"].map(from_csv_cell, na_action="ignore")
        table = pd.concat([tiles, numbers], axis=1)
    except (KeyError, ValueError) as error:
        raise HarnessError(
            f"{path}: is not a per-image table: {error}; delete it and rerun"
        ) from error
    return table, printable(record["reason"])
