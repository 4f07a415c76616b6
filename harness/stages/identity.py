"""What the result of each stage depends on: one function per stage, without the stage's inputs.

Snakemake asks for results by these identities, each stage states its own by the same function,
and every reader compares. Threads, mirrors, paths, times and commits are in none of them. This
module imports nothing that a stage does not run: what it imports is code of every stage.
"""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from harness.disk.code import code_behind, digests, files_of_folder, source_files
from harness.disk.identity import Request
from harness.disk.schema import ROOT

PRINTED = {"report": ("paper", "templates"), "complete": ()}
"""Stage of the report → folders of texts that it prints, where these are not the paper's."""


class Method(Protocol):
    """What identifies a method: `harness.methods.spec.MethodSpec`."""

    @property
    def name(self) -> str:
        """Name of the method or variant."""
        ...

    @property
    def options(self) -> dict[str, Any]:
        """Every option with its value."""
        ...

    @property
    def folder(self) -> Path:
        """Folder of its code."""
        ...

    def code_files(self) -> list[Path]:
        """Return every file that decides what the method does."""
        ...


def prepare(
    adapter: str,
    options: Mapping[str, Any],
    tiling: Mapping[str, int],
    files: Iterable[Path],
    folder: Path,
) -> Request:
    """Return what a tile store depends on, but the images.

    `files` decide on the tiles; those from outside are named as below the parent of `folder`.
    """
    return {
        "stage": "prepare",
        "adapter": adapter,
        # The content of the images counts, not the place where they are.
        "options": {key: value for key, value in options.items() if key != "root"},
        "tiling": dict(tiling),
        "code": _code("prepare", files, folder.parent),
    }


def train(method: Method, recipe: Mapping[str, Any], seed: int, device: str) -> Request:
    """Return what the weights of a training depend on, but the tiles."""
    # How often a checkpoint is written changes no weight.
    kept = {key: value for key, value in recipe.items() if key != "checkpoint_seconds"}
    return {**_run("train", method, seed, device), "recipe": kept}


def fuse(method: Method, output: tuple[str, str], weights: str, seed: int, device: str) -> Request:
    """Return what a fused stack depends on, but the tiles and the training.

    `output` is the stretch and the colour rule. `weights` is `train`, or the SHA-256 of the file
    that is loaded, or "" where there is none.
    """
    stretch, colour = output
    kept = {} if colour == "luma" else {"colour": colour}
    return {**_run("fuse", method, seed, device), "stretch": stretch, **kept, "weights": weights}


def take(name: str, colour: str) -> Request:
    """Return what a stack of given images depends on, but the tiles and the images."""
    return {"stage": "take", "name": name, "colour": colour, "code": _code("take")}


def take_published(name: str, colour: str, files: Iterable[Path], folder: Path) -> Request:
    """Return what a stack of images that a data set publishes depends on, but the tiles.

    `files` are those of the data set, whose table has the hash of every image.
    """
    code = _code("take", files, folder.parent)
    return {"stage": "take", "published": name, "colour": colour, "code": code}


def features(method: Method, seed: int, device: str) -> Request:
    """Return what the feature maps depend on, but tiles, examples and training."""
    return _run("features", method, seed, device)


def learning(method: Method, seed: int, device: str) -> Request:
    """Return what the measures of a training depend on, but tiles, fused images and training."""
    return _run("learning", method, seed, device)


def measure(
    dataset: str, row: str, seed: int, metrics: Collection[str], rule: Mapping[str, str | None]
) -> Request:
    """Return what a per-image table depends on, but the tiles and the fused images.

    `rule` has the dialect and the colour rule of the data set.
    """
    run = {"dataset": dataset, "row": row, "seed": seed}
    measured = {"metrics": list(metrics), **rule}
    return {"stage": "measure", **run, **measured, "code": _code("measure")}


def report(stage: str, plan: Mapping[str, Any]) -> Request:
    """Return what a part of the report depends on, but the values."""
    folders = PRINTED.get(stage, ("paper",))
    files = [path for name in folders for path in files_of_folder(ROOT / "reports" / name)]
    code = digests([*source_files([f"reports.stages.{stage}"]), *files])
    return {"stage": stage, "plan": dict(plan), "code": code}


def _run(stage: str, method: Method, seed: int, device: str) -> Request:
    return {
        "stage": stage,
        "method": method.name,
        "options": dict(method.options),
        "seed": seed,
        "device": device,
        "code": _code(stage, method.code_files(), method.folder.parent),
    }


def _code(stage: str, files: Iterable[Path] = (), outside: Path | None = None) -> dict[str, str]:
    ours = source_files([f"harness.stages.{stage}"])
    return digests({*ours, *code_behind(files)}, outside)
