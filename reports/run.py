"""Everything a report shows, read once from the results of a run."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from harness.disk.records import read_record
from harness.tiles.store import TileStore
from reports.analysis import Analysis, analyse
from reports.outline import DatasetOutline, Outline
from reports.scores import Run, read_runs
from reports.tables import Table, build_tables


@dataclass(frozen=True)
class Failure:
    """A run without values, and why."""

    dataset: str
    row: str
    seed: int
    reason: str


@dataclass(frozen=True)
class Report:
    """The results behind one page."""

    outline: Outline
    runs: dict[str, list[Run]]
    analyses: dict[str, Analysis]
    tables: list[Table]

    def failures(self) -> list[Failure]:
        """All runs that failed, in table order."""
        return [
            Failure(dataset, run.row, run.seed, run.failure)
            for dataset, runs in self.runs.items()
            for run in runs
            if run.failure
        ]

    def stores(self) -> Iterator[tuple[DatasetOutline, TileStore]]:
        """Data sets with their tiles."""
        for dataset in self.outline.datasets:
            yield dataset, self.outline.store(dataset)

    def provenance(self) -> list[dict[str, Any]]:
        """The record of every fusing and training job, flattened for a table."""
        lines = []
        for dataset in self.outline.datasets:
            for row, seed, folder in self.outline.runs(dataset):
                for file in ("training.json", "fused.json"):
                    if (folder / file).is_file():
                        record = read_record(folder / file)
                        lines.append({"dataset": dataset.name, "row": row, "seed": seed, **record})
        return lines


def read_report(outline: Outline) -> Report:
    """Read all per-image tables of a run and build the tables."""
    runs = {dataset.name: read_runs(outline, dataset) for dataset in outline.datasets}
    analyses = {
        dataset.name: analyse(outline, dataset, runs[dataset.name]) for dataset in outline.datasets
    }
    return Report(outline, runs, analyses, build_tables(outline, runs, analyses))
