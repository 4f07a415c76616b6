"""Figures 1, 2, 6, 7, 8 and 9 of the paper, drawn from tile stores, fused stacks and features."""

import math
from collections.abc import Collection
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TypeAlias

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from PIL import Image

from harness.disk.files import atomic_path
from harness.pixels import Bytes, Float
from harness.tiles.store import TileStore
from metrics.images import grey_of
from reports import panels
from reports.analysis import Analysis
from reports.examples import choose_examples, choose_window
from reports.features import read_features
from reports.gallery import data_url, fused_stacks
from reports.learning import marked
from reports.plan import PlannedDataset, ReportPlan
from reports.printed import TITLES, paper_title

mpl.use("Agg")
ORDER = ("umfusion", "limfusion", "itfuse", "tardal", "ydtr", "segfanet")
"""Columns of Figures 2, 6 and 7, as printed."""
NUMBERS = {"whu": "6", "potsdam": "7"}
"""Data set of the paper → number of the figure that compares all methods on it."""
PAGE_DPI = 100
FILE_DPI = 220
WIDTH, CELL = 12.3, 2.4
"""Inches of a figure, which is as wide as the page, and of the largest panel."""
COLUMNS = 8
"""Panels of one line: the paper's six methods and the sources. What is more begins a new line."""
FIRSTS = 2
"""Data sets of which Figure 2 shows an example, as many as the paper has."""


PanelRow: TypeAlias = list[tuple[str, Bytes | None]]


@dataclass(frozen=True)
class Drawing:
    """One figure: rows of (column title, panel), None where a method has no image.

    A second line of a title is about that panel alone.
    """

    name: str
    title: str
    caption: str
    rows: list[PanelRow]
    labels: list[str]

    @property
    def alt(self) -> str:
        """Text for a reader who does not see the figure."""
        # Ranges below a title belong to one row.
        titles = [title.partition("\n")[0] for row in self.rows for title, _ in row]
        columns = ", ".join(dict.fromkeys(titles))
        return f"{self.title}. Rows: {', '.join(self.labels)}. Columns: {columns}."


@dataclass(frozen=True)
class Example:
    """One tile of one data set, with everything that the figures show of it."""

    dataset: PlannedDataset
    store: TileStore
    index: int
    name: str
    fused: dict[str, Bytes]
    maps: dict[str, Float]
    unlearned: Collection[str] = ()

    @property
    def label(self) -> str:
        """What the figures write at the left of this example."""
        return f"{self.dataset.name}, {self.name}"

    @property
    def sources(self) -> list[tuple[str, Bytes | None]]:
        """Titles and panels of the first two columns of every figure."""
        return [
            ("Visible", panels.visible(self.store, self.index)),
            ("Infrared", panels.infrared(self.store, self.index)),
        ]


def drawings(plan: ReportPlan, analyses: dict[str, Analysis]) -> list[Drawing]:
    """List all figures that the run has images for, in the paper's order."""
    examples = {d.name: _examples(plan, d, analyses[d.name]) for d in plan.datasets}
    made = _feature_figures([e for several in examples.values() for e in several[:2]])
    firsts = [several[0] for several in examples.values() if several][:FIRSTS]
    if firsts:
        made.append(_comparison(plan, "2", firsts, "the first example of each data set"))
    for dataset in plan.datasets:
        several = examples[dataset.name]
        if dataset.stands_for in NUMBERS and several:
            where = paper_title(dataset.stands_for)
            number = NUMBERS[dataset.stands_for]
            shown = any(dataset is first.dataset for first in firsts)
            others = several[1:3] if shown else several[:2]
            made.append(_comparison(plan, number, others or several, where))
    return sorted(made, key=lambda drawing: drawing.name)


def _examples(plan: ReportPlan, dataset: PlannedDataset, analysis: Analysis) -> list[Example]:
    store, maps = plan.store(dataset), read_features(plan, dataset)
    stacks = fused_stacks(plan, dataset, list(analysis.values))

    def example(index: int) -> Example:
        fused = {row: np.asarray(stack[index]) for row, stack in stacks.items()}
        name = analysis.tiles[index]
        own = maps.get(index, {})
        return Example(dataset, store, index, name, fused, own, analysis.unlearned)

    return [example(index) for index in choose_examples(plan, dataset, analysis)]


def _comparison(plan: ReportPlan, number: str, examples: list[Example], where: str) -> Drawing:
    compared = [method.name for method in plan.methods.values() if method.compared]
    rows = []
    for example in examples:
        # Beside the paper's figure, a column without images says which method did not run.
        printed = ORDER if example.dataset.stands_for else ()
        names = [n for n in ORDER if n in compared or (n in printed and n not in plan.methods)]
        names += [name for name in compared if name not in ORDER and name in example.dataset.rows]
        luma = [grey_of(example.fused[name]) for name in names if name in example.fused]
        window = choose_window(
            [grey_of(image) for image in luma]
            or [panels.infrared(example.store, example.index)[:, :, 0]]
        )
        titles = [marked(_title(plan, name), name, example.unlearned) for name in names]
        images = [_fused(example, name) for name in names]
        row = [*example.sources, *zip(titles, images, strict=True)]
        rows.append([(title, p if p is None else panels.marked(p, window)) for title, p in row])
    return Drawing(
        f"figure{number}",
        f"Figure {number}",
        f"Sources and fused images, {where}. The yellow box marks a region; its enlargement "
        "stands in the lower left corner.",
        rows,
        [example.label for example in examples],
    )


def _title(plan: ReportPlan, name: str) -> str:
    return plan.methods[name].title if name in plan.methods else TITLES[name]


def _fused(example: Example, name: str) -> Bytes | None:
    luma = example.fused.get(name)
    return None if luma is None else panels.fused(example.store, luma, example.index)


FEATURE_FIGURES = {
    "1": ("Before alignment, f^S", "After alignment, f^R"),
    "8": ("Segmentation, f^S", "Reconstructed, f^R", "Fusion, f^F"),
}
MAP_NAMES = ("segmentation", "aligned", "fusion")


def _feature_figures(examples: list[Example]) -> list[Drawing]:
    mapped = [example for example in examples if set(MAP_NAMES) <= set(example.maps)]
    attended = [example for example in mapped if "attention" in example.maps]
    made = [_features(*figure, mapped) for figure in FEATURE_FIGURES.items() if mapped]
    return [*made, _attention(attended)] if attended else made


def _features(number: str, titles: tuple[str, ...], examples: list[Example]) -> Drawing:
    shown = list(zip(titles, MAP_NAMES, strict=False))

    def panel(example: Example, title: str, name: str) -> tuple[str, Bytes]:
        values, size = example.maps[name], example.store.test.sizes[example.index]
        low, high = panels.own_range(values)
        return f"{title}\n{low:.3g} to {high:.3g}", panels.feature_map(values, size)

    return Drawing(
        f"figure{number}",
        f"Figure {number}",
        "Features of SegFANet's first stage: mean absolute activation over channels. Each map "
        "has a scale of its own, whose ends are printed above it: dark is the 1st percentile of "
        "its values, bright the 99th.",
        [[*e.sources, *(panel(e, *each) for each in shown)] for e in examples],
        [example.label for example in examples],
    )


def _attention(examples: list[Example]) -> Drawing:
    def panel(example: Example) -> Bytes:
        visible = panels.visible(example.store, example.index)
        return panels.heat_map(example.maps["attention"], visible)

    return Drawing(
        "figure9",
        "Figure 9",
        "Weight that each position receives in the first cross attention module, averaged over "
        "queries, over the visible picture; brightest is the largest weight of the tile.",
        [[*example.sources, ("Attention weights", panel(example))] for example in examples],
        [example.label for example in examples],
    )


def draw(drawing: Drawing) -> Figure:
    """Draw a figure as a grid, with column titles above and tile names at the left."""
    lines = [
        line
        for label, row in zip(drawing.labels, drawing.rows, strict=True)
        for line in _lines(label, row)
    ]
    height, width = len(lines), max(len(line) for _, line in lines)
    cell = min(CELL, WIDTH / width)
    size = cell * width + 0.25, (cell * _shape(drawing) + 0.2) * height
    figure = Figure(figsize=size)
    axes = figure.subplots(height, width, squeeze=False)
    for axis in axes.ravel():
        # The other axis keeps its label.
        axis.xaxis.set_visible(False)
        axis.set(yticks=[], frame_on=False)
    for places, (label, line) in zip(axes, lines, strict=True):
        places[0].set_ylabel(label, fontsize=6, parse_math=False)
        for axis, (title, panel) in zip(places, line, strict=False):
            axis.set_title(title, fontsize=8, pad=2, parse_math=False)
            if panel is None:
                axis.text(0.5, 0.5, "no output", ha="center", va="center", fontsize=8)
            else:
                axis.imshow(panel, interpolation="nearest")
    # An engine that belongs to the figure would arrange the panels again for each file.
    ConstrainedLayoutEngine(w_pad=0.01, h_pad=0.01, wspace=0, hspace=0).execute(figure)
    return figure


def _lines(label: str, row: PanelRow) -> list[tuple[str, PanelRow]]:
    """Split a row into lines of at most COLUMNS panels; the middle one has the label."""
    count = math.ceil(len(row) / COLUMNS)
    length = math.ceil(len(row) / count)
    parts = [row[start : start + length] for start in range(0, len(row), length)]
    return [(label if i == len(parts) // 2 else "", part) for i, part in enumerate(parts)]


def _shape(drawing: Drawing) -> float:
    """Return the largest height of a panel for a width of 1."""
    shown = [panel for row in drawing.rows for _, panel in row if panel is not None]
    return max((panel.shape[0] / panel.shape[1] for panel in shown), default=1.0)


def png_of(figure: Figure) -> bytes:
    """Return a figure as PNG; the same pixels give the same bytes."""
    stream = BytesIO()
    figure.savefig(stream, format="png", dpi=FILE_DPI)
    return stream.getvalue()


def page_url(png: bytes) -> str:
    """Return a figure as a PNG data URL, smaller and in 256 colours to keep the page small."""
    image = Image.open(BytesIO(png)).convert("RGB")
    width, height = (round(side * PAGE_DPI / FILE_DPI) for side in image.size)
    shrunk = image.resize((width, height), Image.Resampling.BOX)
    stream = BytesIO()
    reduced = shrunk.quantize(256, dither=Image.Dither.NONE)
    reduced.save(stream, format="png", optimize=True)
    return data_url(stream.getvalue())


def write_files(figure: Figure, png: bytes, folder: Path, name: str) -> None:
    """Write a figure as PNG and PDF; the same pixels give the same bytes."""
    with atomic_path(folder / f"{name}.png") as temporary:
        temporary.write_bytes(png)
    with atomic_path(folder / f"{name}.pdf") as temporary:
        figure.savefig(temporary, format="pdf", dpi=FILE_DPI, metadata={"CreationDate": None})
