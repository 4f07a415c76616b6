"""The per-image tables of a run, and the reasons of failed runs."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from harness.disk.records import check_artefact, read_record
from harness.errors import HarnessError
from reports.plan import PlannedDataset, ReportPlan


@dataclass(frozen=True)
class Run:
    """One row with one seed: its per-image table, or the reason why there is none."""

    row: str
    seed: int
    scores: pd.DataFrame
    failure: str = ""
    fusing: dict[str, Any] = field(default_factory=dict)


def read_runs(plan: ReportPlan, dataset: PlannedDataset) -> list[Run]:
    """Read all runs of a data set.

    Raises:
        HarnessError: naming the file, if a table is missing or damaged.
    """
    return [_read_run(row, seed, folder) for row, seed, folder in plan.runs(dataset)]


def _read_run(row: str, seed: int, folder: Path) -> Run:
    record = read_record(folder / "scores.json")
    path = folder / "scores.csv"
    check_artefact(record, path)
    try:
        # A tile may have the name "1" or "NA"; it must remain text.
        scores = pd.read_csv(path, dtype={"tile": str}, keep_default_na=False, na_values={"": []})
        values = scores.drop(columns=["dataset", "method", "seed", "tile"])
        numbers = values.apply(pd.to_numeric, errors="coerce")
    except (KeyError, ValueError) as error:
        raise HarnessError(
            f"{path}: is not a per-image table: {error}; delete it and rerun"
        ) from error
    table = pd.concat([scores[["tile"]], numbers], axis=1)
    fusing = read_record(folder / "fused.json")
    return Run(row, seed, table, record["reason"], fusing)
