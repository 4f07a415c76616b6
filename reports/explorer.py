"""The data of the page's script: values per tile, distributions and images of tiles."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from harness.methods.rows import Row
from harness.tiles.store import evenly
from metrics.registry import METRICS
from reports.analysis import Analysis
from reports.examples import choose_examples
from reports.gallery import EMBEDDED_BYTES, Gallery, fused_stacks, tile_images
from reports.learning import marked
from reports.plan import PlannedDataset, ReportPlan

POINTS = 400
"""Number of tiles per data set whose values stand in the page; distributions use all tiles."""
QUANTILES = np.linspace(0, 1, 51)


def explorer_data(
    plan: ReportPlan, analyses: dict[str, Analysis], folder: Path | None
) -> dict[str, Any]:
    """Return everything that the script needs, as JSON.

    Args:
        plan: plan of the report.
        analyses: analysis of each data set.
        folder: folder of the page, for the images that do not fit inside.
    """
    share = EMBEDDED_BYTES // max(len(plan.datasets), 1)
    metrics = [METRICS[name] for name in plan.every_metric]
    return {
        "metrics": [
            {"name": m.name, "title": m.title, "larger": m.larger_is_better} for m in metrics
        ],
        "datasets": [
            _dataset(plan, dataset, analyses[dataset.name], Gallery(folder, share))
            for dataset in plan.datasets
        ],
    }


def _dataset(
    plan: ReportPlan, dataset: PlannedDataset, analysis: Analysis, gallery: Gallery
) -> dict[str, Any]:
    store = plan.store(dataset)
    rows = list(analysis.values)
    shown = _shown(plan, dataset, analysis)
    stacks = fused_stacks(plan, dataset, rows)
    pictures = {
        index: gallery.place(dataset.name, index, tile_images(store, stacks, index))
        for index in shown
    }
    points = [*shown, *(i for i in evenly(len(analysis.tiles), POINTS) if i not in pictures)]
    return {
        "name": dataset.name,
        "title": store.meta["title"],
        "count": len(analysis.tiles),
        "metrics": list(analysis.metrics),
        "rows": [_row(plan, row, analysis) for row in rows],
        "tiles": [
            {
                "name": analysis.tiles[index],
                "scene": analysis.scenes[index],
                "pictures": pictures.get(index) or None,
            }
            for index in points
        ],
        "values": {
            row: [[_short(value) for value in column] for column in analysis.by_tile[row][points].T]
            for row in rows
        },
        "quantiles": {row: _quantiles(analysis, row) for row in rows},
    }


def _shown(plan: ReportPlan, dataset: PlannedDataset, analysis: Analysis) -> list[int]:
    examples = choose_examples(plan, dataset, analysis)
    others = evenly(len(analysis.tiles), plan.tiles)
    return [*examples, *(index for index in others if index not in examples)][: plan.tiles]


def _row(plan: ReportPlan, row: str, analysis: Analysis) -> dict[str, Any]:
    method = plan.method(row)
    parsed = Row.parse(row)
    title = method.title if parsed.raw else f"{method.title}, {parsed.stretch}"
    title = marked(title, row, analysis.unlearned)
    return {"name": row, "title": title, "kind": method.kind, "stretched": not parsed.raw}


def _quantiles(analysis: Analysis, row: str) -> list[list[float | None]]:
    columns = analysis.by_tile[row].T
    defined = [column[np.isfinite(column)] for column in columns]
    return [
        [_short(value) for value in np.quantile(column, QUANTILES)] if len(column) else []
        for column in defined
    ]


def _short(value: float) -> float | None:
    """Round to five digits, more than a screen shows; NaN becomes None, as JSON has no NaN."""
    return float(f"{value:.5g}") if math.isfinite(value) else None
