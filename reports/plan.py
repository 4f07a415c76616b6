"""The plan of a report: the data sets, methods and rows of a run, as the workflow lists them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.benchmark import Benchmark
from harness.configuration import ReportSection
from harness.errors import HarnessError
from harness.methods.rows import Row
from harness.tiles.store import TileStore
from metrics.colour import Colour
from metrics.texts import printable

TILES = ReportSection().tiles
COLOURS = {
    "luma": "luma of colours",
    "per_channel": "colours channel by channel, SF on the channels side by side",
}
"""The colour rules in words, for the tables."""
WEIGHTS = {
    "train": "trained here",
    "official": "authors' weights",
    "demonstration": "demonstration weights",
}
"""What the titles of rows with marked weights add to that of their method."""


@dataclass(frozen=True)
class PlannedMethod:
    """What the tables say about a method with its weights, and the seeds that it ran with.

    name: the name of its row without a stretch. shared: whether the authors share weights.
    """

    name: str
    title: str
    kind: str
    seeds: Sequence[int]
    notes: str = ""
    shared: bool = False

    @property
    def compared(self) -> bool:
        """Whether the method takes part in comparisons: controls and ablations do not."""
        return self.kind in ("baseline", "proposed")

    @property
    def trained(self) -> bool:
        """Whether the method is always trained here, because nobody published its weights."""
        return self.kind in ("proposed", "ablation") and not self.shared


@dataclass(frozen=True)
class PlannedDataset:
    """A data set and its rows in table order.

    stands_for: the data set of the paper whose printed values stand beside ours, "" for none.
    examples: names of the tiles in the figures; if empty, `reports.examples.RULE` chooses them.
    dialect: public evaluator whose definitions measure it, "" for ours. colour: its colour rule.
    metrics: the columns of its tables; empty for those of the plan.
    """

    name: str
    rows: Sequence[str]
    stands_for: str = ""
    examples: Sequence[str] = ()
    dialect: str = ""
    colour: Colour = "luma"
    metrics: Sequence[str] = ()

    @property
    def measured(self) -> str:
        """The dialect and the colour rule of the metrics, in words."""
        definitions = f"dialect {self.dialect}" if self.dialect else "default definitions"
        return f"{definitions}, {COLOURS[self.colour]}"


@dataclass(frozen=True)
class ReportPlan:
    """Everything that a report is about.

    metrics: the columns of the tables, unless a data set has its own.
    results: folder that holds `<dataset>/<row>/seed<k>/`.
    tiles: number of tiles per data set whose images come with the page.
    """

    title: str
    demonstration: bool
    metrics: tuple[str, ...]
    methods: Mapping[str, PlannedMethod]
    datasets: Sequence[PlannedDataset]
    results: Path
    tiles: int = TILES

    def metrics_of(self, dataset: PlannedDataset) -> tuple[str, ...]:
        """Return the columns of the tables of a data set."""
        return tuple(dataset.metrics) or self.metrics

    @property
    def every_metric(self) -> list[str]:
        """The columns of all tables, each once."""
        return list(dict.fromkeys(name for d in self.datasets for name in self.metrics_of(d)))

    def method(self, row: str) -> PlannedMethod:
        """Return the method behind a row."""
        return self.methods[Row.parse(row).run.name]

    def store(self, dataset: PlannedDataset) -> TileStore:
        """Open the tile store of a data set."""
        return TileStore(self.results / dataset.name / "tiles")

    def folder(self, dataset: PlannedDataset, row: str, seed: int) -> Path:
        """Return the folder with the results of one run."""
        return self.results / dataset.name / row / f"seed{seed}"


def _title(title: str, row: Row) -> str:
    return f"{title}, {WEIGHTS[row.weights]}" if row.weights else title


def _given_rows(benchmark: Benchmark) -> list[Row]:
    rows = [row for name in benchmark.datasets for row in benchmark.rows(name) if row.given]
    return list(dict.fromkeys(rows))


def _given(row: Row, benchmark: Benchmark) -> PlannedMethod:
    """Describe a row of images from a folder: by its name, or the title of a known method."""
    known, published = benchmark.found.get(row.method), _published_title(row, benchmark)
    title = f"{published or (known.title if known else row.method)}, given images"
    origin = "are published with the data set" if published else "come from a folder"
    notes = f"The fused images {origin}; they were not fused here."
    return PlannedMethod(row.name, title, "baseline", benchmark.seeds(row.name), notes)


def _published_title(row: Row, benchmark: Benchmark) -> str:
    for name in benchmark.datasets:
        adapter: Any = benchmark.adapter(name)
        if row.method in (given := benchmark.given(name)) and given[row.method] is None:
            return str(adapter.fused[row.method].title)
    return ""


def plan_of(benchmark: Benchmark) -> dict[str, Any]:
    """Describe a benchmark as a JSON object that `read_plan` understands."""
    config = benchmark.config
    methods = [
        PlannedMethod(
            row.name,
            _title(spec.title, row),
            spec.kind,
            benchmark.seeds(row.name),
            spec.notes,
            bool(spec.weight_files),
        )
        for name, spec in benchmark.methods.items()
        for row in benchmark.method_rows(name)
    ]
    methods += [_given(row, benchmark) for row in _given_rows(benchmark)]
    datasets = [
        PlannedDataset(
            name,
            [row.name for row in benchmark.rows(name)],
            section.stands_for or "",
            list(section.examples or ()),
            benchmark.measuring(name)["dialect"] or "",
            benchmark.measuring(name)["colour"],
            list(section.metrics or ()),
        )
        for name, section in benchmark.datasets.items()
    ]
    return {
        "title": config.title,
        "demonstration": config.demonstration,
        "metrics": config.metrics,
        "tiles": config.report.tiles,
        "methods": [asdict(method) for method in methods],
        "datasets": [asdict(dataset) for dataset in datasets],
    }


def _printable(value: Any) -> Any:
    """Return a JSON value with texts that every output can take."""
    if isinstance(value, dict):
        return {key: _printable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_printable(item) for item in value]
    return printable(value) if isinstance(value, str) else value


def read_plan(text: str, results: Path) -> ReportPlan:
    """Parse the JSON text of what `plan_of` returned.

    Raises:
        HarnessError: if the text is not such a plan.
    """
    try:
        raw = _printable(json.loads(text))
        methods = [PlannedMethod(**method) for method in raw["methods"]]
        datasets = [PlannedDataset(**dataset) for dataset in raw["datasets"]]
        lists = {
            "metrics": tuple(raw["metrics"]),
            "methods": {method.name: method for method in methods},
            "datasets": datasets,
        }
        return ReportPlan(**{**raw, **lists}, results=results)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise HarnessError(
            f"--plan: found {error!r}, expected JSON as `reports.plan.plan_of` makes it; "
            "let the workflow pass it"
        ) from error
