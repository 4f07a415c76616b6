"""Fuse image pairs from disk with one method, for the command `fuse`."""

import argparse
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from harness.commands.folder_run import FolderRun
from harness.commands.image_pairs import (
    ARRAY,
    Float,
    Pair,
    PairFiles,
    pair_size,
    read_pair,
    write_fused,
    write_pixels,
)
from harness.disk.code import code_behind, digests, source_files
from harness.disk.records import read_record
from harness.errors import HarnessError, MethodFailure
from harness.fusing.command import Sources, fuse_each
from harness.fusing.inference import call_fuse, load_method
from harness.fusing.publishing import Source, publish
from harness.fusing.windows import fit
from harness.machine.device import choose_device, make_deterministic
from harness.methods.contract import Method, check_fused, copied
from harness.methods.spec import MethodSpec, published_rule
from harness.methods.weights import choose_weights
from harness.pixels import TRUNCATE
from harness.terminal import progress
from metrics.texts import printable

ORIGINS = {
    "official": "the authors' file",
    "retrained": "trained with this benchmark",
    "demonstration": "trained by this project on demonstration data",
    "user": "given by you, not known to be the authors'",
}


def fuse_files(spec: MethodSpec, files: Sequence[PairFiles], arguments: argparse.Namespace) -> None:
    """Fuse every pair with the method and write the results, as `fuse` was asked to.

    Raises:
        HarnessError: if a file cannot be read or written, or the method fails. Of two folders, all
            other pairs are fused first.
    """
    if arguments.as_published:
        _check_publishable(spec, files, arguments)
    make_deterministic(0, arguments.threads)
    device = choose_device(spec.device_for(arguments.device))
    try:
        if spec.command:
            _run_command(spec, files, device, arguments)
        else:
            _run_class(spec, files, device, arguments)
    except MethodFailure as failure:
        raise HarnessError(f"{spec.name}: {failure}") from failure


def _check_publishable(
    spec: MethodSpec, files: Sequence[PairFiles], given: argparse.Namespace
) -> None:
    published_rule(spec)
    arrays = [file.output for file in files if file.output.suffix == ARRAY]
    if arrays:
        raise HarnessError(f"{arrays[0]}: --as-published writes 8-bit images; name an image file")
    if given.quantise:
        raise HarnessError(
            f"--quantise {given.quantise}: --as-published quantises as the authors do; leave "
            "one of the two out"
        )


def _begin(
    spec: MethodSpec,
    files: Sequence[PairFiles],
    device: torch.device,
    given: argparse.Namespace,
    weights: str = "",
) -> FolderRun:
    """Begin a run over the pairs; of two folders, what is finished is known."""
    folder = given.output if given.infrared.is_dir() else None
    if folder is None:
        return FolderRun(files, None, {}, again=given.again)
    code = {*source_files(["harness.commands.pair_fusion"]), *code_behind(spec.code_files())}
    request = {
        "method": spec.name,
        "options": spec.options,
        "command": spec.command,
        "weights": weights,
        "device": str(device),
        "written": [given.gray, given.as_published, given.quantise or TRUNCATE],
        "code": digests(code, spec.folder.parent),
    }
    return FolderRun(files, folder, request, again=given.again)


def _run_command(
    spec: MethodSpec, files: Sequence[PairFiles], device: torch.device, given: argparse.Namespace
) -> None:
    run = _begin(spec, files, device, given)
    readable = []
    for group in run.waiting():
        try:
            read_pair(group[0].infrared, group[0].visible)
        except HarnessError as error:
            run.fail(group, error)
        else:
            readable.append(group)
    pairs = [Sources(group[0].infrared.stem, partial(_sources, group[0])) for group in readable]
    if pairs:
        for group, fused in zip(
            readable, fuse_each(spec, pairs, device, given.threads), strict=True
        ):
            with run.attempt(group):
                _write(group[0], fused(), read_pair(group[0].infrared, group[0].visible), given)
    run.finish()


def _sources(file: PairFiles) -> tuple[Float, Float]:
    pair = read_pair(file.infrared, file.visible)
    return pair.infrared, pair.visible


def _write(file: PairFiles, fused: Float, pair: Pair, given: argparse.Namespace) -> None:
    rule = given.quantise or TRUNCATE
    write_fused(file.output, fused, pair, gray=given.gray, rule=rule)


def _run_class(
    spec: MethodSpec, files: Sequence[PairFiles], device: torch.device, given: argparse.Namespace
) -> None:
    options, classes = _as_trained(spec, given.checkpoint)
    spec = replace(spec, options={**spec.options, **options, **dict(given.option)})
    weights = choose_weights(
        spec, checkpoint=given.checkpoint, file=given.weights, mirrors=given.mirror
    )
    run = _begin(spec, files, device, given, weights.sha256 if weights else "")
    waiting = run.waiting(published_rule(spec).batch if given.as_published else 1)
    if not waiting:
        return
    method = load_method(spec, device, weights.path if weights else None, classes)
    if weights:
        origin = ORIGINS[weights.origin]
        print(f"weights: {printable(weights.path.name)}, {origin}, sha256 {weights.sha256}")
    _fit(spec, method, [file for group in waiting for file in group], device)
    for group in progress(waiting, f"fusing with {spec.name}"):
        with run.attempt(group):
            pairs = [read_pair(file.infrared, file.visible) for file in group]
            if given.as_published:
                _write_published(spec, method, group, pairs, device)
                continue
            raw = group[0].output.suffix == ARRAY
            _write(group[0], _fuse(spec, method, pairs[0], device, raw=raw), pairs[0], given)
    run.finish()


def _fit(
    spec: MethodSpec, method: Method, files: Sequence[PairFiles], device: torch.device
) -> None:
    """Refuse pairs that are too large for the memory, or let the method fuse them in parts."""
    sizes = []
    for file in files:
        # A pair that cannot be read fails where it is fused.
        with suppress(HarnessError):
            sizes.append(pair_size(file))
    if parts := fit(spec, method, sizes, device).get("parts"):
        print(
            f"too large to be fused whole: images of {len(parts['sizes'])} sizes are fused in "
            f"parts of {parts['side']} pixels that overlap by {parts['overlap']}"
        )


def _write_published(
    spec: MethodSpec,
    method: Method,
    group: Sequence[PairFiles],
    pairs: Sequence[Pair],
    device: torch.device,
) -> None:
    """Fuse pairs that share minimum and maximum, and write the images."""
    sources = [Source(pair.name, pair.infrared, pair.visible, pair.rgb) for pair in pairs]
    images = publish(spec, method, sources, device)
    for file, image in zip(group, images, strict=True):
        write_pixels(file.output, image)


def _as_trained(spec: MethodSpec, checkpoint: Path | None) -> tuple[dict[str, Any], int]:
    """Return options and number of classes that a checkpoint's record states, if it has one."""
    path = checkpoint.with_name("training.json") if checkpoint else None
    if path is None or not path.is_file():
        return {}, 0
    record = read_record(path)
    trained = record["config"]["method"]
    if trained != spec.name:
        raise HarnessError(f"{checkpoint}: holds {trained}, not {spec.name}; fuse with {trained}")
    return record["config"]["options"], record["details"].get("classes", 0)


def _fuse(
    spec: MethodSpec, method: Method, pair: Pair, device: torch.device, *, raw: bool
) -> Float:
    sources = pair.infrared, pair.visible
    infrared, visible = (torch.from_numpy(image)[None, None].to(device) for image in sources)
    fused = call_fuse(method, infrared, visible, what=pair.name)
    if not raw:
        clamp, names = spec.clamp, [pair.name]
        checked: Float = check_fused(fused, infrared, visible, tiles=names, clamp=clamp)[0]
        return checked
    # A user who asks for raw values may be inspecting untrained weights: refuse only what is
    # not an array of the right size with finite values.
    values: Float = copied(fused, infrared.shape, pair.name)[0]
    if not np.isfinite(values).all():
        raise MethodFailure(f"{pair.name}: values are not finite")
    return values
