"""Figures 1, 2, 6, 7, 8 and 9 of the paper, drawn from tile stores, fused stacks and features."""

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from PIL import Image

from harness.disk.files import atomic_path
from harness.disk.records import check_artefact, read_record
from harness.pixels import Bytes, Float
from harness.tiles.store import TileStore
from reports import panels
from reports.analysis import Analysis
from reports.examples import choose_examples, choose_window
from reports.gallery import data_url, fused_stacks
from reports.plan import PlannedDataset, ReportPlan
from reports.printed import DATASETS, TITLES

mpl.use("Agg")
ORDER = ("umfusion", "limfusion", "itfuse", "tardal", "ydtr", "segfanet")
"""Columns of Figures 2, 6 and 7, as printed."""
PAGE_DPI = 100
FILE_DPI = 220
CELL = 1.35
"""Inches per panel."""


@dataclass(frozen=True)
class Drawing:
    """One figure: rows of (column title, panel), None where a method has no image."""

    name: str
    title: str
    caption: str
    rows: list[list[tuple[str, Bytes | None]]]
    labels: list[str]

    @property
    def alt(self) -> str:
        """Text for a reader who does not see the figure."""
        columns = ", ".join(title for title, _ in self.rows[0])
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
    every = [example for several in examples.values() for example in several]
    shown = [example for several in examples.values() for example in several[:2]]
    made = [*_feature_figures(shown)]
    if every:
        made.append(_comparison(plan, "2", every[:1], "the most different tile"))
    for number, stands_for in (("6", "whu"), ("7", "potsdam")):
        for dataset in plan.datasets:
            several = examples[dataset.name]
            if dataset.stands_for == stands_for and several:
                # Figure 2 shows the first one already.
                some = several[1:3] or several
                made.append(_comparison(plan, number, some, DATASETS[stands_for]))
    return sorted(made, key=lambda drawing: drawing.name)


def _examples(plan: ReportPlan, dataset: PlannedDataset, analysis: Analysis) -> list[Example]:
    store = plan.store(dataset)
    stacks = fused_stacks(plan, dataset, list(analysis.values))
    maps = read_features(plan, dataset)
    return [
        Example(
            dataset,
            store,
            index,
            analysis.tiles[index],
            {row: np.asarray(stack[index]) for row, stack in stacks.items()},
            maps.get(index, {}),
        )
        for index in choose_examples(plan, dataset, analysis)
    ]


def read_features(plan: ReportPlan, dataset: PlannedDataset) -> dict[int, dict[str, Float]]:
    """Read the feature maps of `harness.stages.features` by tile; empty if none are kept."""
    folder = plan.results / dataset.name / "segfanet"
    for path in sorted(folder.glob("seed*/features.npz")):
        check_artefact(read_record(path.with_suffix(".json")), path)
        with np.load(path, allow_pickle=False) as stored:
            names = [name for name in stored.files if name != "tiles"]
            tiles = stored["tiles"]
            arrays = {name: stored[name] for name in names}
        return {
            int(tile): {name: array[place] for name, array in arrays.items()}
            for place, tile in enumerate(tiles)
        }
    return {}


def _comparison(plan: ReportPlan, number: str, examples: list[Example], where: str) -> Drawing:
    rows = []
    for example in examples:
        columns = [name for name in ORDER if name not in plan.methods]
        known = [m.name for m in plan.methods.values() if m.compared]
        added = [name for name in known if name not in ORDER and name in example.dataset.rows]
        names = [*(name for name in ORDER if name in [*columns, *known]), *added]
        luma = [example.fused[name] for name in names if name in example.fused]
        window = choose_window(luma or [example.store.test.infrared(slice(0, 1))[0]])
        row = [(title, _marked(panel, window)) for title, panel in example.sources]
        row += [(_title(plan, name), _fused(example, name, window)) for name in names]
        rows.append(row)
    return Drawing(
        f"figure{number}",
        f"Figure {number}",
        f"Sources and fused images, {where}. The yellow box marks a region; its enlargement "
        "stands in the lower left corner.",
        rows,
        [f"{example.dataset.name}, {example.name}" for example in examples],
    )


def _title(plan: ReportPlan, name: str) -> str:
    return plan.methods[name].title if name in plan.methods else TITLES[name]


def _marked(panel: Bytes | None, window: tuple[int, int, int]) -> Bytes | None:
    return None if panel is None else panels.marked(panel, window)


def _fused(example: Example, name: str, window: tuple[int, int, int]) -> Bytes | None:
    if name not in example.fused:
        return None
    return panels.marked(panels.fused(example.store, example.fused[name], example.index), window)


FEATURE_FIGURES = {
    "1": ("Before alignment, f^S", "After alignment, f^R"),
    "8": ("Segmentation, f^S", "Reconstructed, f^R", "Fusion, f^F"),
}
MAP_NAMES = ("segmentation", "aligned", "fusion")


def _feature_figures(examples: list[Example]) -> Iterator[Drawing]:
    mapped = [example for example in examples if set(MAP_NAMES) <= set(example.maps)]
    for number, titles in FEATURE_FIGURES.items():
        if mapped:
            yield _features(number, titles, mapped)
    attended = [example for example in mapped if "attention" in example.maps]
    if attended:
        yield _attention(attended)


def _features(number: str, titles: tuple[str, ...], examples: list[Example]) -> Drawing:
    shown = list(zip(titles, MAP_NAMES, strict=False))
    limits = panels.common_range([e.maps[name] for e in examples for _, name in shown])
    rows = []
    for example in examples:
        height, width = example.store.test.tiles.shape[2:]
        maps = [
            (title, panels.feature_map(example.maps[name], limits, (height, width)))
            for title, name in shown
        ]
        rows.append([*example.sources, *maps])
    return Drawing(
        f"figure{number}",
        f"Figure {number}",
        "Features of SegFANet's first stage: mean absolute activation over channels, all maps of "
        f"this figure on one scale from {limits[0]:.3g} (dark) to {limits[1]:.3g} (bright).",
        rows,
        [f"{example.dataset.name}, {example.name}" for example in examples],
    )


def _attention(examples: list[Example]) -> Drawing:
    rows = []
    for example in examples:
        heat = panels.heat_map(
            example.maps["attention"], panels.visible(example.store, example.index)
        )
        rows.append([*example.sources, ("Attention weights", heat)])
    return Drawing(
        "figure9",
        "Figure 9",
        "Weight that each position receives in the first cross attention module, averaged over "
        "queries, over the visible picture; brightest is the largest weight of the tile.",
        rows,
        [f"{example.dataset.name}, {example.name}" for example in examples],
    )


def draw(drawing: Drawing) -> Figure:
    """Draw a figure as a grid, with column titles above and tile names at the left."""
    height, width = len(drawing.rows), max(len(row) for row in drawing.rows)
    layout = ConstrainedLayoutEngine(w_pad=0.01, h_pad=0.01, wspace=0, hspace=0)
    figure = Figure(figsize=(CELL * width + 0.25, (CELL + 0.2) * height), layout=layout)
    axes = figure.subplots(height, width, squeeze=False)
    for axis in axes.ravel():
        axis.set_xticks([])
        axis.set_yticks([])
        axis.set_frame_on(False)
    for line, row, label in zip(axes, drawing.rows, drawing.labels, strict=True):
        line[0].set_ylabel(label, fontsize=6, parse_math=False)
        for axis, (title, panel) in zip(line, row, strict=False):
            axis.set_title(title, fontsize=8, pad=2, parse_math=False)
            if panel is None:
                axis.text(0.5, 0.5, "no output", ha="center", va="center", fontsize=8)
            else:
                axis.imshow(panel, interpolation="nearest")
    return figure


def page_url(figure: Figure) -> str:
    """Return a figure as a PNG data URL, in 256 colours to keep the page small."""
    stream = BytesIO()
    figure.savefig(stream, format="png", dpi=PAGE_DPI)
    reduced = Image.open(stream).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    small = BytesIO()
    reduced.save(small, format="png", optimize=True)
    return data_url(small.getvalue())


def write_files(figure: Figure, folder: Path, name: str) -> None:
    """Write a figure as PNG and PDF; the same pixels give the same bytes."""
    with atomic_path(folder / f"{name}.png") as temporary:
        figure.savefig(temporary, format="png", dpi=FILE_DPI)
    with atomic_path(folder / f"{name}.pdf") as temporary:
        figure.savefig(temporary, format="pdf", dpi=FILE_DPI, metadata={"CreationDate": None})
