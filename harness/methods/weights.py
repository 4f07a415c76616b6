"""Choose and load a method's weights: the authors' file, a user's file, or a training here."""

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch

from harness.blocks.renaming import unwrapped
from harness.disk.files import require_regular, sha256
from harness.disk.records import check_artefact, read_record
from harness.errors import HarnessError, MethodFailure, as_method_failure
from harness.fetching.batch import announce
from harness.fetching.checksums import file_hashes
from harness.fetching.places import Places
from harness.fetching.source import CACHE, fetch, locate
from harness.methods.checkpoints import load_checkpoint
from harness.methods.raw_arrays import read_arrays
from harness.methods.spec import MethodSpec, weight_entry, weight_source

AUXILIARY = "auxiliary."
"""Prefix of submodules that only training needs, such as discriminators. The authors' weight
files need not contain them, and they do not count as a cost of fusing."""


@dataclass(frozen=True)
class Weights:
    """A verified local weight file.

    origin: `official` (the authors' file, by its hash), `retrained` (trained here),
    `demonstration` (trained by this project on demonstration data) or `user`.
    """

    origin: str
    path: Path
    sha256: str
    licence: str = ""

    def record(self) -> dict[str, str]:
        """Return the description of the weights for records and tables."""
        origin, file = self.origin, self.path.name
        return {"origin": origin, "file": file, "sha256": self.sha256, "licence": self.licence}


def choose_weights(
    spec: MethodSpec,
    *,
    checkpoint: Path | None = None,
    file: Path | None = None,
    mirrors: Sequence[Path] = (),
) -> Weights | None:
    """Choose the weights of a method; None if it has nothing to load.

    The `checkpoint` of a training here has priority over a `file` of the user, and that over the
    authors' file, which `mirrors` may hold under any name.

    Raises:
        MethodFailure: if the training failed, or if the method must be trained first.
        HarnessError: if a file is missing, damaged, or is not the stated file.
    """
    if checkpoint is not None:
        return _trained(checkpoint)
    if file is not None:
        return _given(spec, file)
    entry = weight_entry(spec)
    if entry is not None:
        path = official_file(spec, entry, mirrors)
        return Weights("official", path, entry.get("sha256") or sha256(path), entry["licence"])
    if spec.train is not None:
        raise MethodFailure(
            "has no published weights here; train it, or name a file with `--weights FILE` "
            "or `--checkpoint FILE`"
        )
    return None


def _trained(checkpoint: Path) -> Weights:
    if not checkpoint.exists():
        raise HarnessError(f"{checkpoint}: no such checkpoint; train the method first")
    require_regular(checkpoint)
    path = checkpoint.with_name("training.json")
    if path.is_file():
        record = read_record(path)
        check_artefact(record, checkpoint)
        if record["status"] == "failed":
            raise MethodFailure(f"training failed: {record['reason']}")
    return Weights("retrained", checkpoint, sha256(checkpoint))


def _given(spec: MethodSpec, file: Path) -> Weights:
    if not file.exists():
        raise HarnessError(f"{file}: no such weight file; check the path")
    require_regular(file)
    if file.resolve() == spec.demonstration.resolve():
        check_artefact(read_record(file.with_name("record.json")), file)
        return Weights("demonstration", file, sha256(file))
    found = file_hashes(file, ("sha256", "git_blob"))
    size = file.stat().st_size
    for entry in spec.weight_files.values():
        stated = weight_source(entry).hashes
        if stated and all(found.get(kind) == value for kind, value in stated.items()):
            return Weights("official", file, found["sha256"], entry["licence"])
    sizes = {entry.get("bytes"): entry["file"] for entry in spec.weight_files.values()}
    if size in sizes and not zipfile.is_zipfile(file):
        # Bare arrays and files from before torch 1.6 load with wrong bytes in them.
        raise HarnessError(
            f"{file}: has the size of the authors' {sizes[size]} but another hash, and no "
            "checksums of its own; fetch it again, or save your own weights anew with torch"
        )
    return Weights("user", file, found["sha256"])


def official_file(
    spec: MethodSpec, entry: Mapping[str, Any], mirrors: Sequence[Path], cache: Path = CACHE
) -> Path:
    """Obtain the authors' file `entry` from the cache, a mirror, or its address.

    Raises:
        HarnessError: naming the file, its address and where to put it, if the file is not
            available or its content does not match the stated hash.
    """
    source = weight_source(entry, spec.bibtex)
    places = Places(cache / spec.weight_folder(entry), mirrors)
    try:
        found = locate(source, places=places)
        if found is None:
            announce(f"weights of {spec.name}", 0, [source], places.cache)
            found = fetch(source, places=places)
        return found
    except HarnessError as error:
        if spec.train is None:
            raise
        hint = f"or train it here: `overrides: {{{spec.name}: {{weights: train}}}}`"
        raise HarnessError(f"{error}\n  {hint}") from error


def _arrays(path: Path) -> dict[str, Any]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {key: torch.from_numpy(np.asarray(arrays[key])) for key in arrays.files}
    except Exception as error:
        # numpy and zipfile raise many types of errors; each means that the file is not usable.
        raise HarnessError(f"{path}: not a readable archive of arrays: {error!r}") from error


def _tensors(path: Path) -> dict[str, Any]:
    try:
        require_regular(path)
        return dict(safetensors.torch.load_file(path))
    except HarnessError:
        raise
    except Exception as error:
        raise HarnessError(f"{path}: not a readable safetensors file: {error!r}") from error


def _read_state(method: torch.nn.Module, path: Path) -> dict[str, Any]:
    if path.suffix == ".safetensors":
        return unwrapped(_tensors(path))
    if path.suffix == ".npz":
        return _arrays(path)
    order = getattr(method, "official_order", ())
    if not order or zipfile.is_zipfile(path):
        return unwrapped(load_checkpoint(path))
    own = method.state_dict()
    return read_arrays(path, {name: tuple(own[name].shape) for name in order})


def _check_kinds(state: Mapping[str, Any], wanted: Mapping[str, torch.Tensor]) -> None:
    """Refuse numbers of another kind or with fewer digits, which torch would convert silently."""
    for key in sorted(state.keys() & wanted.keys()):
        found, own = state[key], wanted[key]
        if not isinstance(found, torch.Tensor):
            raise ValueError(f"{key} holds a {type(found).__name__}, expected {own.dtype}")
        same = (found.is_floating_point(), found.is_complex()) == (
            own.is_floating_point(),
            own.is_complex(),
        )
        if not same or (own.is_floating_point() and found.itemsize < own.itemsize):
            raise ValueError(
                f"{key} holds {found.dtype}, expected {own.dtype}; save the weights with the "
                "precision that they were trained with"
            )


def load_weights(method: torch.nn.Module, path: Path) -> None:
    """Load a weight file of torch, `.safetensors` or `.npz`, or bare arrays, into a method.

    The weights in a file of torch may be nested. Bare arrays (`raw_arrays`) are for methods whose
    `official_order` names their tensors in the order of the file.

    The method's `official_state` translates names that differ. Then the keys must be exactly
    those of the network, except for `AUXILIARY` parts, which may be missing.

    Raises:
        HarnessError: if the file cannot be read as plain weights.
        MethodFailure: naming file and keys, if the weights do not fit.
    """
    state = _read_state(method, path)
    translate = getattr(method, "official_state", None)
    with as_method_failure(f"{path}: weights do not fit"):
        if translate is not None and not set(state) <= set(method.state_dict()):
            state = translate(state)
        _check_kinds(state, method.state_dict())
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
