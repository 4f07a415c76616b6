"""Which weights a method runs with: the authors' file, a user's file, or trained here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from harness.blocks.renaming import unwrapped
from harness.disk.files import sha256
from harness.disk.records import check_artefact, read_record
from harness.errors import HarnessError, MethodFailure, blamed
from harness.fetching.source import CACHE, fetch
from harness.methods.checkpoints import load_checkpoint
from harness.methods.spec import MethodSpec, weight_source

AUXILIARY = "auxiliary."
"""Submodule that a method needs in training alone, as discriminators; never in a weight file
of the authors, never counted as a cost of fusing."""


@dataclass(frozen=True)
class Weights:
    """A verified local file.

    `origin` is `official` (the authors' file, by its hash), `retrained` (a checkpoint made
    here) or `user` (any other file).
    """

    origin: str
    path: Path
    sha256: str
    licence: str = ""

    def record(self) -> dict[str, str]:
        """What the records and tables say about the weights."""
        return {
            "origin": self.origin,
            "file": self.path.name,
            "sha256": self.sha256,
            "licence": self.licence,
        }


def choose_weights(
    spec: MethodSpec,
    *,
    checkpoint: Path | None = None,
    file: Path | None = None,
    mirrors: Sequence[Path] = (),
) -> Weights | None:
    """Decide what a method runs with; None if it has nothing to load.

    Args:
        spec: the method.
        checkpoint: of a training here; goes before anything else.
        file: a weight file of the user's; goes before the authors' file.
        mirrors: folders that may hold the authors' file, under any name.

    Raises:
        MethodFailure: if the training failed, or the method has to be trained and was not.
        HarnessError: if a file is missing or is not what it should be.
    """
    if checkpoint is not None:
        return _trained(checkpoint)
    if file is not None:
        return _given(spec, file)
    entry = weight_entry(spec)
    if entry is not None:
        path = official_file(spec, entry, mirrors)
        return Weights("official", path, entry["sha256"], entry["licence"])
    if spec.train is not None:
        raise MethodFailure(
            "has no published weights here; train it, or name a file with `--weights FILE` "
            "or `--checkpoint FILE`"
        )
    return None


def _trained(checkpoint: Path) -> Weights:
    if not checkpoint.is_file():
        raise HarnessError(f"{checkpoint}: no such checkpoint")
    path = checkpoint.with_name("training.json")
    if path.is_file():
        record = read_record(path)
        check_artefact(record, checkpoint)
        if record["status"] == "failed":
            raise MethodFailure(f"training failed: {record['reason']}")
    return Weights("retrained", checkpoint, sha256(checkpoint))


def _given(spec: MethodSpec, file: Path) -> Weights:
    if not file.is_file():
        raise HarnessError(f"{file}: no such weight file")
    digest = sha256(file)
    known = {entry["sha256"]: entry for entry in spec.weight_files.values()}
    if digest in known:
        return Weights("official", file, digest, known[digest]["licence"])
    return Weights("user", file, digest)


def weight_entry(spec: MethodSpec) -> Mapping[str, Any] | None:
    """The authors' file that a method uses, picked by its option `weights` if it has several.

    Raises:
        HarnessError: listing the names, if the option is none of them.
    """
    entries = spec.weight_files
    if not entries:
        return None
    name = spec.options.get("weights", next(iter(entries)))
    if name not in entries:
        raise HarnessError(f"{spec.name}: no weights {name!r}; there are: {', '.join(entries)}")
    return entries[name]


def official_file(
    spec: MethodSpec, entry: Mapping[str, Any], mirrors: Sequence[Path], cache: Path = CACHE
) -> Path:
    """Return the authors' file, from the cache, a mirror, or its address.

    Args:
        spec: the method.
        entry: one of its `weight_files`.
        mirrors: folders that may hold the file under any name.
        cache: of downloads.

    Raises:
        HarnessError: naming the file, its address and where to put it, if it cannot be had or
            has another content than stated.
    """
    source = weight_source(entry, spec.bibtex)
    # A folder a method, because authors' names such as `model.pth` may collide.
    return fetch(source, cache=cache / "weights" / spec.name, mirrors=mirrors)


def _arrays(path: Path) -> dict[str, Any]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {key: torch.from_numpy(np.asarray(arrays[key])) for key in arrays.files}
    except Exception as error:
        # numpy and zipfile raise many types here; all mean that this file is of no use.
        raise HarnessError(f"{path}: not a readable archive of arrays: {error!r}") from error


def load_weights(method: torch.nn.Module, path: Path) -> None:
    """Load a weight file into a method: the authors' or ours, bare or wrapped, torch or `.npz`.

    The keys must be exactly those of the network, after the method's `official_state` (if
    the names are not ours) and apart from parts that serve training alone.

    Raises:
        HarnessError: if the file cannot be read as plain weights.
        MethodFailure: naming file and keys, if the weights do not fit.
    """
    state = _arrays(path) if path.suffix == ".npz" else unwrapped(load_checkpoint(path))
    translate = getattr(method, "official_state", None)
    with blamed(f"{path}: weights do not fit"):
        if translate is not None and not set(state) <= set(method.state_dict()):
            state = translate(state)
        missing, unexpected = method.load_state_dict(state, strict=False)
    problems = [
        f"{word} {', '.join(keys[:5])}{' …' if len(keys) > 5 else ''}"
        for word, keys in (
            ("missing", [key for key in missing if not key.startswith(AUXILIARY)]),
            ("unexpected", unexpected),
        )
        if keys
    ]
    if problems:
        raise MethodFailure(f"{path}: weights do not fit: {'; '.join(problems)}")
