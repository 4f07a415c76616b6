"""Pictures of the report, drawn from the tile store and the fused stacks."""

import base64
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from harness.colour import recompose
from harness.store import TileStore
from reports.outline import DatasetOutline, Outline
from reports.scores import Run

mpl.use("Agg")
Picture = NDArray[np.uint8]
EXAMPLES = 2
COLUMNS = 6


@dataclass(frozen=True)
class Panel:
    """Named pictures of one tile, in the order in which they are shown."""

    tile: str
    pictures: list[tuple[str, Picture]]


def panels(outline: Outline, dataset: DatasetOutline, runs: list[Run]) -> list[Panel]:
    """Sources and every method's fused picture, for the most differing test tiles."""
    store = TileStore(outline.results / dataset.name / "tiles")
    stacks = {run.row: _stack(outline, dataset, run) for run in runs[::-1] if not run.failure}
    stacks = {row: stacks[row] for row in dataset.rows if row in stacks}
    names = store.names("test")
    return [
        Panel(names[index], _pictures(outline, store, stacks, index))
        for index in choose_tiles(list(stacks.values()), EXAMPLES)
    ]


def _stack(outline: Outline, dataset: DatasetOutline, run: Run) -> Picture:
    folder = outline.results / dataset.name / run.row / f"seed{run.seed}"
    return np.asarray(np.load(folder / "fused.npy", mmap_mode="r", allow_pickle=False))


def choose_tiles(stacks: list[Picture], count: int) -> list[int]:
    """Indices of the tiles on which the methods differ most (mean pixel variance)."""
    if not stacks:
        return [0]
    spread = [np.var([stack[i] for stack in stacks], axis=0).mean() for i in range(len(stacks[0]))]
    return [int(index) for index in np.argsort(-np.array(spread), kind="stable")[:count]]


def _pictures(
    outline: Outline, store: TileStore, stacks: dict[str, Picture], index: int
) -> list[tuple[str, Picture]]:
    part = slice(index, index + 1)
    rgb, infrared = store.test.rgb(part), store.test.infrared(part)
    pictures = [("Visible", np.moveaxis(rgb[0], 0, 2)), ("Infrared", infrared[0])]
    for row, stack in stacks.items():
        colour = recompose(stack[part].astype(np.float32) / np.float32(255), rgb)[0]
        label = outline.method(row).title + row_suffix(row)
        pictures.append((label, (np.moveaxis(colour, 0, 2) * 255).astype(np.uint8)))
    return pictures


def row_suffix(row: str) -> str:
    """How a row's stretch is shown behind its title."""
    return f" ({row.partition('+')[2]})" if "+" in row else ""


def draw_panel(panel: Panel) -> Figure:
    """Draw a panel as a grid of pictures with their names above."""
    lines = -(-len(panel.pictures) // COLUMNS)
    figure = Figure(figsize=(2.0 * COLUMNS, 2.2 * lines), layout="constrained")
    axes = np.atleast_1d(figure.subplots(lines, COLUMNS)).ravel()
    for axis in axes:
        axis.set_axis_off()
    for axis, (title, picture) in zip(axes, panel.pictures, strict=False):
        axis.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axis.set_title(title, fontsize=8, parse_math=False)
    return figure


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG (150 dpi)."""
    figure.savefig(path, format="png", dpi=150)


def data_url(figure: Figure) -> str:
    """Encode a figure as a PNG data URL."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
