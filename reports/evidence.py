"""The paper's claims about its figures, as numbers (docs/statistics.md)."""

import math
from collections.abc import Collection, Iterator, Mapping

import numpy as np

from harness.methods.rows import Row
from harness.tiles.array_file import Bytes
from harness.tiles.store import Pairs, evenly, read_fused
from metrics.images import grey_of
from metrics.scoring import score
from reports.analysis import Analysis
from reports.claims import NOT_RUN, Claim, judge_rank
from reports.features import read_measures
from reports.plan import PlannedDataset
from reports.printed import LITERAL, printed_table, table_definitions
from reports.rows import representatives
from reports.run import Report
from reports.statistics import Values
from reports.verdicts import SURE, Judgement, deciding, interval_of, judge_sign

TILES = 8
"""Number of test tiles on which contrast and artefacts are measured if the run did not."""
CONTRAST = {
    "en": "SegFANet's images have the most contrast",
    "sd": "SegFANet's images have the most contrast",
    "nabf": "SegFANet's images have the fewest artefacts",
}
"""Metric → what the text says about the fused images."""
FIGURES = {"whu": "Figure 6", "potsdam": "Figure 7"}
FEATURES = {
    "gradient": ("f^R has more detail than f^S", "gradient energy"),
    "decoded": ("f^R holds more of the sources than f^S", "linearly decoded share"),
}
"""Measure of `harness.fusing.feature_measures` → what the text says, and the measure in words."""


def figure_claims(report: Report) -> list[Claim]:
    """Judge what the paper says about its figures, for the data sets that stand for its own."""
    return [
        claim
        for dataset in report.plan.datasets
        if dataset.stands_for
        for claim in (*_contrast(report, dataset), *_features(report, dataset))
    ]


def _contrast(report: Report, dataset: PlannedDataset) -> Iterator[Claim]:
    (number,) = (
        definition["number"]
        for definition in table_definitions()
        if definition["stands_for"] == dataset.stands_for and "rows" not in definition
    )
    methods = list(dict.fromkeys(method for method, _ in printed_table(number)))
    analysis = report.analyses[dataset.name]
    if not set(CONTRAST) <= set(analysis.metrics):
        analysis = _measured(report, dataset, analysis)
    rows = representatives(analysis, methods, literal=True)
    network = "literal" if rows.get("segfanet") == LITERAL else "ours"
    for metric, text in CONTRAST.items():
        judged = judge_rank(analysis, rows, methods, "segfanet", metric, 1)
        place = FIGURES[dataset.stands_for]
        yield Claim(place, dataset.name, text, metric.upper(), judged, network=network)


def _measured(report: Report, dataset: PlannedDataset, analysis: Analysis) -> Analysis:
    """Measure the fused images of methods on a few tiles, with every seed."""
    index = evenly(len(analysis.tiles), TILES)
    pairs = report.plan.store(dataset).test
    stacks: dict[str, list[Values]] = {}
    for run in report.runs[dataset.name]:
        row = Row.parse(run.row)
        compared = report.plan.method(run.row).compared or row.method == LITERAL
        if run.row in analysis.values and row.raw and compared:
            fused = read_fused(run.folder / "fused.npy", run.fusing, pairs.sizes)
            stacks.setdefault(run.row, []).append(
                np.array([_contrast_of(fused[tile], pairs, tile) for tile in index])
            )
    values = {row: np.stack(seeds) for row, seeds in stacks.items()}
    return _sample(analysis, index, tuple(CONTRAST), values, analysis.trained, analysis.unlearned)


def _contrast_of(fused: Bytes, pairs: Pairs, tile: int) -> list[float]:
    part = slice(tile, tile + 1)
    values = score(grey_of(fused)[None], pairs.infrared(part), pairs.visible(part), list(CONTRAST))
    return [float(values[name][0]) for name in CONTRAST]


def _sample(
    analysis: Analysis,
    index: list[int],
    metrics: tuple[str, ...],
    values: dict[str, Values],
    trained: Collection[str],
    unlearned: Mapping[str, str] | None = None,
) -> Analysis:
    """Return an analysis of some tiles; they are a sample, even of the paper's own."""
    tiles, scenes = ([names[i] for i in index] for names in (analysis.tiles, analysis.scenes))
    return Analysis(tiles, scenes, metrics, values, trained, unlearned=unlearned)


def _features(report: Report, dataset: PlannedDataset) -> Iterator[Claim]:
    seeds = read_measures(report.plan, dataset)
    analysis = report.analyses[dataset.name]
    # Features of a network that did not learn speak for nothing.
    if not seeds or "segfanet" in analysis.unlearned:
        return
    index = [int(i) for i in seeds[0]["measured_tiles"]]
    for name, (text, measure) in FEATURES.items():
        # (seeds, tiles, stages): how much f^R is above f^S.
        gains = np.stack([np.diff(s[f"measured_{name}"], axis=2)[:, :, 0] for s in seeds])
        stages = tuple(f"stage {i + 1}" for i in range(gains.shape[2]))
        sample = _sample(analysis, index, stages, {"gain": gains}, ["gain"])
        for stage in stages:
            chances = sample.chances(stage, "gain")
            judged = judge_sign(sample.mean("gain", stage), chances, math.nan)
            what = f"{measure}, {stage}"
            yield Claim("Figures 1, 8", dataset.name, text, what, judged, network="ours")
    if "measured_attention" in seeds[0]:
        shares = np.stack([s["measured_attention"] for s in seeds])
        classes = report.plan.store(dataset).classes
        excess = {"excess": shares[..., 0] - shares[..., 1]}
        sample = _sample(analysis, index, tuple(classes), excess, ["excess"])
        judged, what = _attention(sample, shares)
        text = "Attention prefers some classes over their area"
        yield Claim("Figure 9", dataset.name, text, what, judged, network="ours")


def _attention(sample: Analysis, shares: Values) -> tuple[Judgement, str]:
    """Judge whether any class surely receives more attention than its share of the area.

    Args:
        sample: attention − area by class, as row `excess`.
        shares: (seeds, tiles, classes, 2) attention and area.
    """
    level = 1 - (1 - SURE) / len(sample.metrics)
    found = {
        name: (mean, interval_of(mean, sample.chances(name, "excess"), level))
        for name in sample.metrics
        if not math.isnan(mean := sample.mean("excess", name))
    }
    if not found:
        return Judgement(NOT_RUN, decide="no tile is labelled"), "attention over area"
    best = max(found, key=lambda name: found[name][1].low)
    mean, interval = found[best]
    attention, area = np.moveaxis(np.nanmean(shares, axis=(0, 1)), 1, 0)
    ratios = [
        f"{name} {part / whole:.2f}"
        for name, part, whole in zip(sample.metrics, attention, area, strict=True)
        if whole > 0
    ]
    verdict = "supported" if interval.low > 0 else "undecided"
    decide = deciding(sample.chances(best, "excess"), abs(mean), level)
    judged = Judgement(verdict, mean, interval, decide="" if verdict == "supported" else decide)
    return judged, f"attention over area: {', '.join(ratios)}"
