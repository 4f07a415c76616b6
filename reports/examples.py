"""The tiles that are shown, and the part that is enlarged: as configured, or by a stated rule."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from harness.errors import HarnessError
from reports.analysis import Analysis
from reports.plan import PlannedDataset, ReportPlan
from reports.statistics import Values

EXAMPLES = 3
WINDOW_SHARE = 5
RULE = (
    "the tiles on which the methods differ most: largest variance between methods of the "
    "standardised metric values, another scene for every example where there is one"
)
"""The rule in words, for the page."""


def choose_examples(plan: ReportPlan, dataset: PlannedDataset, analysis: Analysis) -> list[int]:
    """Return indices of the example tiles: those that the configuration names, else by `RULE`.

    Raises:
        HarnessError: naming the tile, if the configuration names one that is not there.
    """
    for name in dataset.examples:
        if name not in analysis.tiles:
            known = ", ".join(analysis.tiles[:5])
            raise HarnessError(
                f"config: datasets: {dataset.name}: examples: no test tile {name!r}; "
                f"the first ones are {known}"
            )
    if dataset.examples:
        return [analysis.tiles.index(name) for name in dataset.examples]
    shown = [row for row in dataset.rows if analysis.judged(row) and plan.method(row).compared]
    rows = shown if len(shown) > 1 else list(analysis.values)
    return most_different(analysis, rows, EXAMPLES)


def most_different(analysis: Analysis, rows: list[str], count: int) -> list[int]:
    """Return the `count` tiles with the largest spread between rows, first one per scene."""
    spread = _spread(analysis, rows)
    order = [int(index) for index in np.argsort(-spread, kind="stable")]
    first_of_scene = {analysis.scenes[index]: index for index in reversed(order)}.values()
    leading = sorted(first_of_scene, key=order.index)
    return [*leading, *(index for index in order if index not in leading)][:count]


def _spread(analysis: Analysis, rows: list[str]) -> Values:
    if not rows:
        return np.zeros(len(analysis.tiles))
    values = np.stack([analysis.by_tile[row] for row in rows])
    columns = [column[np.isfinite(column)] for column in np.moveaxis(values, 2, 0)]
    scale = np.array([column.std() if len(column) else 0.0 for column in columns])
    with np.errstate(invalid="ignore", divide="ignore"):
        between = np.var(values, axis=0) / scale**2
    return np.asarray(np.where(np.isfinite(between), between, 0.0).mean(axis=1))


def choose_window(images: list[NDArray[np.uint8]]) -> tuple[int, int, int]:
    """Return row, column and side of the square in which (H, W) images differ most."""
    height, width = images[0].shape
    side = max(min(height, width) // WINDOW_SHARE, 1)
    spread = np.var(np.stack(images).astype(np.float64), axis=0)
    means = uniform_filter(spread, side, mode="constant")
    half = side // 2
    inside = means[half : height - side + half + 1, half : width - side + half + 1]
    # The enlargement has twice the side and covers the lower left corner.
    inside[max(height - 3 * side, 0) :, : 2 * side] = -1
    y, x = np.unravel_index(int(np.argmax(inside)), inside.shape)
    return int(y), int(x), side
