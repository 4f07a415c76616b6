"""Protocol audit: how means and ranks change under choices that evaluators make differently."""

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from harness.disk.records import check_artefact, read_record
from harness.errors import HarnessError
from harness.methods.rows import Row
from harness.pixels import STRETCHES, quantise, recompose
from harness.tiles.array_file import Bytes, Images
from harness.tiles.store import Pairs
from metrics.images import grey_of, luma
from metrics.registry import METRICS
from metrics.scoring import Table, score_methods
from reports.analysis import Analysis
from reports.diagrams import slope_diagram
from reports.examples import evenly
from reports.gallery import fused_stacks
from reports.learning import marked
from reports.plan import PlannedDataset, ReportPlan
from reports.statistics import Values

TILES = 32
"""Number of test tiles per data set that are measured again for each choice."""
COLUMNS = ["row", "choice", "metric", "value", "tiles"]


View = tuple[Bytes, Bytes]
"""What is measured of a fused image: its grey image and that of the visible source, (N, H, W)."""


def _colour(fused: Bytes, rgb: Bytes) -> Bytes:
    return quantise(recompose(fused.astype(np.float32) / np.float32(255), rgb))


def _luma(fused: Bytes, rgb: Bytes) -> list[View]:
    return [(fused, luma(rgb))]


def _truncated_luma(fused: Bytes, rgb: Bytes) -> list[View]:
    weights = np.array([299, 587, 114], np.uint32)
    exact = np.einsum("c,nchw->nhw", weights, rgb.astype(np.uint32))
    return [(fused, (exact // 1000).astype(np.uint8))]


def _saved_colour(fused: Bytes, rgb: Bytes) -> list[View]:
    return [(luma(_colour(fused, rgb)), luma(rgb))]


def _value(fused: Bytes, rgb: Bytes) -> list[View]:
    return [(_colour(fused, rgb).max(axis=1), rgb.max(axis=1))]


def _channels(fused: Bytes, rgb: Bytes) -> list[View]:
    colour = _colour(fused, rgb)
    return [(colour[:, band], rgb[:, band]) for band in range(3)]


@dataclass(frozen=True)
class Choice:
    """One way of measuring.

    measures: metric of the tables → metric that is measured in its place; metrics that are left
        out do not change.
    resize: side in pixels; None for the native size.
    stretch: stretch of the output, a key of `harness.pixels.STRETCHES`.
    views: the grey images of a fused luma (N, H, W) and the visible RGB (N, 3, H, W), whose
        values are averaged.
    """

    name: str
    title: str
    measures: dict[str, str]
    resize: int | None = None
    stretch: str = "none"
    views: Callable[[Bytes, Bytes], list[View]] = _luma


def choices(names: tuple[str, ...]) -> list[Choice]:
    """List our protocol, then the other choices that concern one of the metrics."""
    same = {name: name for name in names}
    every = [
        Choice("ours", "Our protocol", same),
        Choice("resize224", "Resized to 224×224", same, resize=224),
        Choice("minmax", "Min–max stretched", same, stretch="minmax"),
        Choice("ag_mn1", "AG over (H−1)(W−1)", {"ag": "ag_mn1"}),
        Choice("sf_diagonal", "SF with diagonals (Zheng)", {"sf": "sf_diagonal"}),
        Choice("vif_mean", "VIF mean, not sum", {"vif": "vif_mean"}),
        Choice("viff", "VIFF (Han, as cited), not VIF", {"vif": "viff"}),
        Choice("scd_uint8", "SCD on uint8 differences", {"scd": "scd_uint8"}),
        Choice("hsv_value", "HSV value, not luma", same, views=_value),
        Choice("channels", "Mean over R, G and B, not luma", same, views=_channels),
        Choice("saved_colour", "Luma of the saved 8-bit colour image", same, views=_saved_colour),
        Choice("truncated", "Luma of the source truncated", same, views=_truncated_luma),
    ]
    return [choice for choice in every if set(choice.measures) & set(names)]


def measure_choices(plan: ReportPlan, dataset: PlannedDataset, analysis: Analysis) -> pd.DataFrame:
    """Measure the raw rows of methods and controls under every choice, on the same tiles.

    Returns:
        `COLUMNS`, with one line per row, choice and metric: the mean over the tiles on which the
        metric is defined, and the number of these tiles.
    """
    store = plan.store(dataset)
    index = evenly(len(analysis.tiles), TILES)
    rows = [
        row for row in analysis.values if Row.parse(row).raw and plan.method(row).kind != "ablation"
    ]
    stacks = fused_stacks(plan, dataset, rows)
    lines = []
    for choice in choices(plan.metrics):
        # One tile after the other, because their sizes may differ.
        found = [_measured(store.test, tile, stacks, choice) for tile in index]
        for row in stacks:
            for metric, measured in choice.measures.items():
                values = np.array([tile[row][measured][0] for tile in found])
                defined = values[np.isfinite(values)]
                mean = float(defined.mean()) if len(defined) else math.nan
                lines.append((row, choice.name, metric, mean, len(defined)))
    return pd.DataFrame(lines, columns=COLUMNS)


def _measured(pairs: Pairs, tile: int, stacks: dict[str, Images], choice: Choice) -> Table:
    """Measure the luma of one tile of every row under one choice."""
    part = slice(tile, tile + 1)
    rgb, infrared = pairs.rgb(part), pairs.infrared(part)
    lumas = {row: grey_of(stack[tile])[None] for row, stack in stacks.items()}
    fused = {row: _stretched(image, rgb, choice) for row, image in lumas.items()}
    views = {row: choice.views(images, rgb) for row, images in fused.items()}
    names = list(dict.fromkeys(choice.measures.values()))
    # The visible image of a view is the same for all rows.
    parts = [
        score_methods(
            {row: several[place][0] for row, several in views.items()},
            infrared,
            visible,
            names,
            resize=choice.resize,
        )
        for place, (_, visible) in enumerate(next(iter(views.values()), []))
    ]
    return {
        row: {name: np.mean([part[row][name] for part in parts], axis=0) for name in names}
        for row in views
    }


def _stretched(fused: Bytes, rgb: Bytes, choice: Choice) -> Bytes:
    if choice.stretch == "none":
        return fused
    return STRETCHES[choice.stretch](fused.astype(np.float32) / np.float32(255), rgb)


def read_audit(path: Path) -> pd.DataFrame | None:
    """Read the audit stage's table; None if the stage did not run.

    Raises:
        HarnessError: naming the file, if it is damaged.
    """
    record = path.with_suffix(".json")
    if not path.is_file() and not record.is_file():
        return None
    check_artefact(read_record(record), path)
    try:
        return pd.read_csv(path)[COLUMNS]
    except (KeyError, ValueError) as error:
        raise HarnessError(
            f"{path}: is not a table of the audit: {error}; delete it and rerun"
        ) from error


def describe_audit(
    plan: ReportPlan, dataset: str, table: pd.DataFrame, unlearned: Collection[str] = ()
) -> dict[str, Any]:
    """Return what the page shows of one data set's audit; `unlearned` rows have no place."""
    indexed = table.set_index(["row", "choice", "metric"])
    values, defined = indexed["value"], indexed["tiles"]
    tiles = int(defined.max()) if len(table) else 0
    # A table from before a choice was added lacks it.
    found = [choice for choice in choices(plan.metrics) if choice.name in set(table["choice"])]
    rows = list(dict.fromkeys(table["row"]))
    methods = [row for row in rows if plan.method(row).compared and row not in unlearned]

    def cell(*key: str) -> dict[str, float | int]:
        mean, known = values.get(key, math.nan), defined.get(key, tiles)
        return {"mean": float(mean), "undefined": tiles - int(known)}

    return {
        "dataset": dataset,
        "tiles": tiles,
        "choices": [_effect(plan, choice, methods, values) for choice in found[1:]],
        "lines": [
            {
                "title": marked(plan.method(row).title, row, unlearned),
                "metric": metric,
                "cells": [cell(row, choice.name, metric) for choice in found],
            }
            for row in rows
            for metric in plan.metrics
        ],
    }


def _effect(
    plan: ReportPlan, choice: Choice, methods: list[str], values: "pd.Series[float]"
) -> dict[str, Any]:
    concerned = [metric for metric in plan.metrics if metric in choice.measures]
    means = {
        name: np.array([[values[m, name, metric] for metric in concerned] for m in methods])
        for name in ("ours", choice.name)
    }
    before, after = (_places(table, concerned) for table in means.values())
    changes = {
        metric: [change(*pair, metric) for pair in zip(old, new, strict=True)]
        for metric, old, new in zip(concerned, *(table.T for table in means.values()), strict=False)
    }
    titles = [plan.method(method).title for method in methods]
    return {
        "title": choice.title,
        "summary": _words(before, after, changes),
        "picture": slope_diagram(titles, before, after) if methods else Markup(""),
    }


def _places(means: Values, concerned: list[str]) -> list[int]:
    """Return places 1, 2, … by the number of better methods, mean over the metrics.

    Ties keep the order of the methods.
    """
    if not len(means):
        return []
    signed = means * [METRICS[metric].sign for metric in concerned]
    better = (signed[None] > signed[:, None]).sum(axis=1)
    # An undefined value is worse than any other.
    score = np.where(np.isnan(signed), len(means), better).mean(axis=1)
    return [int(place) + 1 for place in np.argsort(np.argsort(score, kind="stable"))]


def change(before: float, after: float, metric: str) -> float:
    """Return the relative change, or the difference if ratios of the metric have no meaning.

    Ratios have no meaning if the metric may be negative.
    """
    if METRICS[metric].range[0] < 0:
        return after - before
    return after / before - 1 if before else math.nan


def change_text(value: float, metric: str) -> str:
    """Put a change into words: per cent, or the difference for a metric that may be negative."""
    if math.isnan(value):
        return ""
    return f"{value:+.2f}" if METRICS[metric].range[0] < 0 else f"{100 * value:+.1f} %"


def _words(before: list[int], after: list[int], changes: dict[str, list[float]]) -> str:
    parts = []
    for metric, values in changes.items():
        known = [value for value in values if math.isfinite(value)]
        if known:
            low, high = (change_text(limit, metric) for limit in (min(known), max(known)))
            parts.append(
                f"{metric.upper()} {low}" if low == high else f"{metric.upper()} {low} … {high}"
            )
    moved = sum(old != new for old, new in zip(before, after, strict=True))
    place = f"{moved} of {len(before)} methods change place" if moved else "no method changes place"
    return f"{'; '.join([*parts, place])}."
