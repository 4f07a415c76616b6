"""What a report is about: the data sets and methods of a run, as the workflow lists them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.benchmark import Benchmark, Row
from harness.configuration import ReportSection
from harness.errors import HarnessError
from harness.tiles.store import TileStore

TILES = ReportSection().tiles


@dataclass(frozen=True)
class MethodOutline:
    """What tables say about a method; `seeds` are those it ran with."""

    name: str
    title: str
    kind: str
    seeds: tuple[int, ...]
    trained: bool
    notes: str = ""
    doi: str = ""

    @property
    def compared(self) -> bool:
        """Whether it takes part in comparisons, being neither a control nor an ablation."""
        return self.kind in ("baseline", "proposed")


@dataclass(frozen=True)
class DatasetOutline:
    """A data set, whose printed values stand beside it, and its rows in table order.

    `examples` names the tiles of the figures; empty leaves the choice to a rule.
    """

    name: str
    rows: tuple[str, ...]
    stands_for: str = ""
    examples: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outline:
    """The whole run.

    `results` is the folder that holds `<dataset>/<row>/seed<k>/`, `tiles` the number of tiles a
    data set whose pictures come with the page.
    """

    title: str
    demonstration: bool
    metrics: tuple[str, ...]
    methods: Mapping[str, MethodOutline] = field(default_factory=dict)
    datasets: tuple[DatasetOutline, ...] = ()
    results: Path = Path("results")
    tiles: int = TILES

    def method(self, row: str) -> MethodOutline:
        """The method behind a row."""
        return self.methods[Row.parse(row).method]

    def store(self, dataset: DatasetOutline) -> TileStore:
        """The tiles of a data set."""
        return TileStore(self.results / dataset.name / "tiles")

    def folder(self, dataset: DatasetOutline, row: str, seed: int) -> Path:
        """Where the results of one run lie."""
        return self.results / dataset.name / row / f"seed{seed}"

    def runs(self, dataset: DatasetOutline) -> list[tuple[str, int, Path]]:
        """(row, seed, folder) of every run of a data set."""
        return [
            (row, seed, self.folder(dataset, row, seed))
            for row in dataset.rows
            for seed in self.method(row).seeds
        ]


def outline_of(benchmark: Benchmark) -> dict[str, Any]:
    """Describe a benchmark as JSON, for `read_outline`."""
    config = benchmark.config
    return {
        "title": config.title,
        "demonstration": config.demonstration,
        "metrics": benchmark.metrics,
        "tiles": config.report.tiles,
        "methods": [
            {
                "name": name,
                "title": spec.title,
                "kind": spec.kind,
                "seeds": benchmark.seeds(name),
                "trained": benchmark.is_trained(name),
                "notes": spec.notes,
                "doi": spec.doi,
            }
            for name, spec in benchmark.methods.items()
        ],
        "datasets": [
            {
                "name": name,
                "rows": [row.name for row in benchmark.rows(name)],
                "stands_for": benchmark.datasets[name].stands_for or "",
                "examples": list(benchmark.datasets[name].examples or ()),
            }
            for name in benchmark.datasets
        ],
    }


def read_outline(text: str, results: Path) -> Outline:
    """Parse what `outline_of` gave.

    Raises:
        HarnessError: if the text is not such an outline.
    """
    try:
        raw = json.loads(text)
        methods = [
            MethodOutline(**{**method, "seeds": tuple(method["seeds"])})
            for method in raw["methods"]
        ]
        return Outline(
            title=raw["title"],
            demonstration=raw["demonstration"],
            metrics=tuple(raw["metrics"]),
            methods={method.name: method for method in methods},
            datasets=tuple(
                DatasetOutline(
                    item["name"],
                    tuple(item["rows"]),
                    item["stands_for"],
                    tuple(item.get("examples", ())),
                )
                for item in raw["datasets"]
            ),
            results=results,
            tiles=raw.get("tiles", TILES),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise HarnessError(f"the outline of the report cannot be read: {error!r}") from error
