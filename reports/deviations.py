"""What in a run is not the paper's, generated from the records of the run."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from harness.methods.rows import Row
from reports.plan import PlannedDataset
from reports.printed import LITERAL, is_printed_sample, paper
from reports.run import Report
from reports.scores import Run

UNSTATED = "not stated"
ORIGINS = {
    "official": "the authors' file",
    "retrained": "trained here on this data set",
    "user": "a file given by the user",
    "demonstration": "demonstration weights of this repository",
}


@dataclass(frozen=True)
class Deviation:
    """One thing that differs between a run and the paper, for the rows that share it.

    subject: titles of the rows, or `data`. here, paper: what was done here, and there.
    """

    dataset: str
    subject: str
    what: str
    here: str
    paper: str


def deviations(report: Report) -> list[Deviation]:
    """List every deviation of the rows that stand for the paper's, data first."""
    found = []
    for dataset in report.plan.datasets:
        if not dataset.stands_for:
            continue
        found += [Deviation(dataset.name, "data", *words) for words in _data(report, dataset)]
        shared: dict[tuple[str, str, str], list[str]] = {}
        for title, words in _rows(report, dataset):
            shared.setdefault(words, []).append(title)
        for words, titles in shared.items():
            subject = ", ".join(dict.fromkeys(titles))
            found.append(Deviation(dataset.name, subject, *words))
    return found


def _data(report: Report, dataset: PlannedDataset) -> Iterator[tuple[str, str, str]]:
    meta, stated = report.plan.store(dataset).meta, paper()["datasets"][dataset.stands_for]
    if report.plan.demonstration:
        yield "images", meta["title"], stated["title"]
    for split, words in (("train", "training tiles"), ("test", "test tiles")):
        if (count := meta["tiles"].get(split)) is not None and count != stated[split]:
            yield words, f"{count:,}", f"{stated[split]:,}"
    side = "×".join([str(paper()["tile"])] * 2)
    for split, sizes in meta.get("tiling", {}).get("sizes", {}).items():
        if sizes and sizes != side:
            yield f"size of the {split} tiles", sizes, side
    if not is_printed_sample(dataset.stands_for, report.analyses[dataset.name].scenes):
        printed = "the data set's own list" if "split" in stated else "its list is not printed"
        yield "test scenes", "ours", printed
    if len(meta["classes"]) != stated["classes"]:
        yield "classes", str(len(meta["classes"])), str(stated["classes"])


def _rows(report: Report, dataset: PlannedDataset) -> Iterator[tuple[str, tuple[str, str, str]]]:
    for run in report.runs[dataset.name]:
        method = report.plan.method(run.row)
        if run.failure or method.kind == "control" or run.seed != method.seeds[0]:
            continue
        row = Row.parse(run.row)
        if not row.raw:
            title = f"{method.title} + {row.stretch}"
            yield title, ("output", f"stretched: {row.stretch}", UNSTATED)
            continue
        yield "all others", ("output", "clamped, ×255, truncated, native size", UNSTATED)
        for words in _training(run, report, dataset) if method.trained else _weights(run):
            yield method.title, words
        if method.trained and row.method != LITERAL:
            for words in _network(run.fusing["config"].get("options", {})):
                yield method.title, words


def _weights(run: Run) -> Iterator[tuple[str, str, str]]:
    if origin := run.weights.get("origin"):
        yield "weights", ORIGINS.get(origin, origin), UNSTATED


def _training(run: Run, report: Report, dataset: PlannedDataset) -> Iterator[tuple[str, str, str]]:
    recipe, stated = run.training.get("config", {}).get("recipe", {}), paper()["recipe"]
    tiles = paper()["datasets"][dataset.stands_for]["train"]
    steps = run.training.get("details", {}).get("steps")
    wanted = stated["epochs"] * -(-tiles // stated["batch"])
    if steps is not None and steps != wanted:
        yield "training steps", f"{steps:,}", f"{wanted:,} ({stated['epochs']} epochs)"
    for key in ("batch", "learning_rate", "betas"):
        if key in recipe and recipe[key] != stated[key]:
            yield key.replace("_", " "), _text(recipe[key]), _text(stated[key])
    for key, plain in (("precision", "fp32"), ("schedule", "constant"), ("augment", False)):
        if recipe.get(key, plain) != plain:
            yield key, _text(recipe[key]), UNSTATED


def _network(options: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    literal = paper()["network"]
    if not set(literal) & set(options):
        yield "network", "Eqs. 1-18 with our remedies (docs/protocol.md)", "Eqs. 1-18"
    for key, plain in literal.items():
        if key in options and options[key] != plain:
            yield f"network: {key.replace('_', ' ')}", _text(options[key]), _text(plain)


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def weights_used(report: Report) -> list[dict[str, Any]]:
    """Say per data set which methods were trained on it, with labels, and which were not.

    Returns:
        One mapping per data set: `dataset`, and titles under `labelled`, `trained` (without
        labels) and `shelf` (weights from elsewhere).
    """
    found = []
    for name, runs in report.runs.items():
        groups: dict[str, list[str]] = {"labelled": [], "trained": [], "shelf": []}
        for run in runs:
            method = report.plan.method(run.row)
            if run.failure or not method.compared or not Row.parse(run.row).raw:
                continue
            labels = run.training.get("config", {}).get("recipe", {}).get("labels")
            here = method.trained or run.trained
            group = groups["shelf" if not here else "labelled" if labels else "trained"]
            if method.title not in group:
                group.append(method.title)
        found.append({"dataset": name, **groups})
    return found
