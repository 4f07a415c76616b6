"""Protocol audit: how means and ranks change under choices that evaluators make differently."""

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import pandas as pd
from markupsafe import Markup

from harness.disk.records import check_artefact, read_record
from harness.errors import HarnessError
from harness.methods.rows import Row
from harness.pixels import quantise, recompose
from harness.tiles.array_file import Bytes
from harness.tiles.store import ROUNDED_TILES, Pairs, evenly
from metrics.colour import Colour, score_channels
from metrics.images import grey_of, luma
from metrics.registry import METRICS
from metrics.resize import bilinear
from metrics.scoring import Table, score_methods
from metrics.shared.arrays import Checked
from reports.analysis import Analysis
from reports.diagrams import slope_diagram
from reports.gallery import fused_stacks, rounded_stacks
from reports.learning import marked
from reports.plan import PlannedDataset, ReportPlan
from reports.printed import LITERAL, PRINTED_AS, TITLES
from reports.statistics import Values

TILES = ROUNDED_TILES
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


def _saved(fused: Bytes, rgb: Bytes) -> list[View]:
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
    stretch: whether every image is stretched to the full range first.
    views: the grey images of a fused luma (N, H, W) and the visible RGB (N, 3, H, W), whose
        values are averaged.
    dialect, colour: the definitions and the colour rule; `per_channel` needs no views.
    images: `fused`, the images of the tables; `rounded`, those that were rounded to 8 bits; or
        the row of another reading, whose images stand for those of the method that it reads.
    """

    name: str
    title: str
    measures: dict[str, str]
    resize: int | None = None
    stretch: bool = False
    views: Callable[[Bytes, Bytes], list[View]] = _luma
    dialect: str | None = None
    colour: Colour = "luma"
    images: str = "fused"


def choices(
    names: Sequence[str], dialect: str = "", colour: Colour = "luma", rows: Sequence[str] = ()
) -> list[Choice]:
    """List our protocol, then the other choices that concern one of the metrics.

    Args:
        names: metrics of the tables.
        dialect: public evaluator whose definitions the tables follow, "" for ours.
        colour: colour rule of the tables.
        rows: of the data set, among which other readings may be.
    """
    same = {name: name for name in names}
    rule: Rule = {"dialect": dialect or None, "colour": colour}
    readings = [row for row in rows if row in PRINTED_AS and row != LITERAL]
    every = [
        Choice("ours", "Our protocol", same, **rule),
        Choice("resize224", "Resized to 224×224", same, resize=224, **rule),
        Choice("minmax", "Min–max stretched", same, stretch=True, **rule),
        Choice("rounded", "Output rounded, not truncated", same, images="rounded", **rule),
        *_definitions(same, dialect, colour),
        *_colours(same, rule),
        *(Choice(row, f"{TITLES[PRINTED_AS[row]]} in its other reading", same, images=row, **rule)
          for row in readings),
    ]  # fmt: skip
    return [choice for choice in every if set(choice.measures) & set(names)]


class Rule(TypedDict):
    """Definitions and colour rule of a data set, as arguments of a choice."""

    dialect: str | None
    colour: Colour


def _definitions(same: dict[str, str], dialect: str, colour: Colour) -> list[Choice]:
    """List other definitions: of a dialect our own, else those of other evaluators."""
    if dialect:
        title = f"Our definitions, not those of {dialect}"
        return [Choice("definitions", title, same, colour=colour)]
    others = [
        Choice("ag_mn1", "AG over (H−1)(W−1)", {"ag": "ag_mn1"}),
        Choice("sf_diagonal", "SF with diagonals (Zheng)", {"sf": "sf_diagonal"}),
        Choice("vif_mean", "VIF mean, not sum", {"vif": "vif_mean"}),
        Choice("viff", "VIFF (Han, as cited), not VIF", {"vif": "viff"}),
        Choice("scd_uint8", "SCD on uint8 differences", {"scd": "scd_uint8"}),
    ]
    return [replace(choice, colour=colour) for choice in others]


def _colours(same: dict[str, str], rule: Rule) -> list[Choice]:
    """List other ways to make grey images of images in colour."""
    value = Choice("hsv_value", "HSV value, not colour", same, views=_value)
    if rule["colour"] == "per_channel":
        found = [Choice("luma", "Luma, not channel by channel", same), value]
    else:
        found = [
            replace(value, title="HSV value, not luma"),
            Choice("channels", "Mean over R, G and B, not luma", same, views=_channels),
            Choice("saved_colour", "Luma of the saved 8-bit colour image", same, views=_saved),
            Choice("truncated", "Luma of the source truncated", same, views=_truncated_luma),
        ]
    return [replace(choice, dialect=rule["dialect"]) for choice in found]


def _choices_of(plan: ReportPlan, dataset: PlannedDataset) -> list[Choice]:
    metrics = plan.metrics_of(dataset)
    return choices(metrics, dataset.dialect, dataset.colour, list(dataset.rows))


def measure_choices(plan: ReportPlan, dataset: PlannedDataset, analysis: Analysis) -> pd.DataFrame:
    """Measure the raw rows of methods and controls under every choice, on the same tiles.

    Returns:
        `COLUMNS`, with one line per row, choice and metric: the mean over the tiles on which the
        metric is defined, and the number of these tiles.
    """
    store = plan.store(dataset)
    rows = [
        row for row in analysis.values if Row.parse(row).raw and plan.method(row).kind != "ablation"
    ]
    images = _Images(plan, dataset, analysis, rows)
    lines = []
    for choice in _choices_of(plan, dataset):
        if not images.has(choice):
            continue
        # One tile after the other, because their sizes may differ.
        found = [
            _measured(store.test, tile, images.of(choice, place), choice)
            for place, tile in enumerate(images.tiles)
        ]
        for row in rows:
            for metric, measured in choice.measures.items():
                values = np.array([tile[row][measured][0] for tile in found])
                defined = values[np.isfinite(values)]
                mean = float(defined.mean()) if len(defined) else math.nan
                lines.append((row, choice.name, metric, mean, len(defined)))
    return pd.DataFrame(lines, columns=COLUMNS)


class _Images:
    """The fused images of some rows on the tiles of the audit, also rounded or read otherwise."""

    def __init__(
        self, plan: ReportPlan, dataset: PlannedDataset, analysis: Analysis, rows: list[str]
    ) -> None:
        self.tiles = evenly(len(analysis.tiles), TILES)
        others = [row for row in analysis.values if row in PRINTED_AS]
        self._stacks = fused_stacks(plan, dataset, [*rows, *others])
        self._rounded = rounded_stacks(plan, dataset, rows, self.tiles)
        self._rows = rows

    def has(self, choice: Choice) -> bool:
        """Whether any row has the images that a choice measures."""
        if choice.images == "rounded":
            return bool(self._rounded)
        return choice.images == "fused" or choice.images in self._stacks

    def of(self, choice: Choice, place: int) -> dict[str, Bytes]:
        """Return row → its image at a place of `tiles`: (1, H, W), or (1, 3, H, W) in colour."""
        found = {}
        for row in self._rows:
            stack, index = self._stacks[row], self.tiles[place]
            if choice.images == "rounded" and row in self._rounded:
                stack, index = self._rounded[row], place
            elif PRINTED_AS.get(choice.images) == row:
                stack = self._stacks[choice.images]
            found[row] = stack[index][None]
        return found


def _measured(pairs: Pairs, tile: int, images: dict[str, Bytes], choice: Choice) -> Table:
    """Measure one tile of every row under one choice."""
    part = slice(tile, tile + 1)
    rgb, infrared = pairs.rgb(part), pairs.infrared(part)
    names = list(dict.fromkeys(choice.measures.values()))
    if choice.colour == "per_channel":
        return _per_channel(images, infrared, rgb, names, choice)
    fused = {row: grey_of(image[0])[None] for row, image in images.items()}
    if choice.stretch:
        fused = {row: _stretched(image) for row, image in fused.items()}
    views = {row: choice.views(image, rgb) for row, image in fused.items()}
    # The visible image of a view is the same for all rows.
    parts = [
        score_methods(
            {row: several[place][0] for row, several in views.items()},
            infrared,
            visible,
            names,
            dialect=choice.dialect,
            resize=choice.resize,
        )
        for place, (_, visible) in enumerate(next(iter(views.values()), []))
    ]
    return {
        row: {name: np.mean([part[row][name] for part in parts], axis=0) for name in names}
        for row in views
    }


def _per_channel(
    images: dict[str, Bytes], infrared: Bytes, rgb: Bytes, names: list[str], choice: Choice
) -> Table:
    """Measure the channels of one tile of every row, as `metrics.colour` does."""

    def resized(image: Bytes) -> Any:
        side = choice.resize
        # A dark image that is resized is still on the scale of 0 to 255.
        return image if side is None else bilinear(image[0], (side, side))[None].view(Checked)

    planes = {
        row: image if image.ndim == 4 else _colour(image, rgb) for row, image in images.items()
    }
    if choice.stretch:
        planes = {row: _stretched(image) for row, image in planes.items()}
    fused = {row: resized(image) for row, image in planes.items()}
    near = resized(np.repeat(infrared[:, None], 3, axis=1))
    return score_channels(fused, near, resized(rgb), names, dialect=choice.dialect)


def _stretched(image: Bytes) -> Bytes:
    """Stretch one image, all channels together, to the full range; a flat one stays."""
    values = image.astype(np.float32) - image.min()
    width = values.max()
    return quantise(values / width) if width > 0 else image


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
    planned = next(d for d in plan.datasets if d.name == dataset)
    every = _choices_of(plan, planned)
    found = [choice for choice in every if choice.name in set(table["choice"])]
    rows = list(dict.fromkeys(table["row"]))
    methods = [row for row in rows if plan.method(row).compared and row not in unlearned]

    def cell(*key: str) -> dict[str, float | int]:
        mean, known = values.get(key, math.nan), defined.get(key, tiles)
        return {"mean": float(mean), "undefined": tiles - int(known)}

    return {
        "dataset": dataset,
        "tiles": tiles,
        "choices": [_effect(plan, planned, choice, methods, values) for choice in found[1:]],
        "lines": [
            {
                "title": marked(plan.method(row).title, row, unlearned),
                "metric": metric,
                "cells": [cell(row, choice.name, metric) for choice in found],
            }
            for row in rows
            for metric in plan.metrics_of(planned)
        ],
    }


def _effect(
    plan: ReportPlan,
    dataset: PlannedDataset,
    choice: Choice,
    methods: list[str],
    values: "pd.Series[float]",
) -> dict[str, Any]:
    concerned = [metric for metric in plan.metrics_of(dataset) if metric in choice.measures]
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
