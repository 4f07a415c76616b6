"""Fuse image pairs from disk with one method, for the command `fuse`."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

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
from harness.disk.records import read_record
from harness.errors import HarnessError, MethodFailure
from harness.fusing.command import fuse_pictures
from harness.fusing.inference import call_fuse, load_method
from harness.fusing.publishing import Source, publish
from harness.fusing.windows import fit
from harness.machine.device import choose_device, make_deterministic
from harness.methods.contract import Method, check_fused, copied
from harness.methods.spec import MethodSpec, published_rule
from harness.methods.weights import choose_weights
from harness.terminal import progress

ORIGINS = {
    "official": "the authors' file",
    "retrained": "trained with this benchmark",
    "user": "given by you, not known to be the authors'",
}


def fuse_files(spec: MethodSpec, files: Sequence[PairFiles], arguments: argparse.Namespace) -> None:
    """Fuse every pair with the method and write the results, as `fuse` was asked to.

    Raises:
        HarnessError: if a file cannot be read or written, or the method fails.
    """
    if arguments.as_published:
        _check_publishable(spec, files)
    make_deterministic(0, arguments.threads)
    device = choose_device(spec.device_for(arguments.device))
    try:
        if spec.command:
            _run_command(spec, files, device, arguments)
        else:
            _run_class(spec, files, device, arguments)
    except MethodFailure as failure:
        raise HarnessError(f"{spec.name}: {failure}") from failure


def _check_publishable(spec: MethodSpec, files: Sequence[PairFiles]) -> None:
    published_rule(spec)
    arrays = [file.output for file in files if file.output.suffix == ARRAY]
    if arrays:
        raise HarnessError(f"{arrays[0]}: --as-published writes 8-bit images; name an image file")


def _run_command(
    spec: MethodSpec, files: Sequence[PairFiles], device: torch.device, given: argparse.Namespace
) -> None:
    pairs = [read_pair(file.infrared, file.visible) for file in files]
    sources = [(pair.infrared, pair.visible) for pair in pairs]
    fused = fuse_pictures(spec, sources, [pair.name for pair in pairs], device, given.threads)
    for file, pair, image in zip(files, pairs, fused, strict=True):
        write_fused(file.output, image, pair, gray=given.gray)


def _run_class(
    spec: MethodSpec, files: Sequence[PairFiles], device: torch.device, given: argparse.Namespace
) -> None:
    options, classes = _as_trained(spec, given.checkpoint)
    spec = replace(spec, options={**spec.options, **options, **dict(given.option)})
    weights = choose_weights(
        spec, checkpoint=given.checkpoint, file=given.weights, mirrors=given.mirror
    )
    method = load_method(spec, device, weights.path if weights else None, classes)
    if weights:
        origin = ORIGINS[weights.origin]
        print(f"weights: {weights.path.name}, {origin}, sha256 {weights.sha256}")
    sizes = [pair_size(file) for file in files]
    if parts := fit(spec, method, sizes, device).get("parts"):
        print(
            f"too large to be fused whole: images of {len(parts['sizes'])} sizes are fused in "
            f"parts of {parts['side']} pixels that overlap by {parts['overlap']}"
        )
    if given.as_published:
        _write_published(spec, method, files, device)
        return
    for file in progress(files, f"fusing with {spec.name}"):
        pair = read_pair(file.infrared, file.visible)
        raw = file.output.suffix == ARRAY
        write_fused(file.output, _fuse(spec, method, pair, device, raw=raw), pair, gray=given.gray)


def _write_published(
    spec: MethodSpec, method: Method, files: Sequence[PairFiles], device: torch.device
) -> None:
    together = published_rule(spec).batch
    starts = range(0, len(files), together)
    for start in progress(starts, f"fusing with {spec.name}"):
        group = files[start : start + together]
        pairs = [read_pair(file.infrared, file.visible) for file in group]
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
