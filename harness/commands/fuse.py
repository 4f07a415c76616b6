"""Fuse pictures with one method: `python -m harness fuse --help`."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from harness.cli import Commands, add_command, add_device, add_mirrors, assignment
from harness.commands.pictures import ARRAY, Float, Pair, pair_files, read_pair, write_fused
from harness.disk.records import read_record
from harness.errors import HarnessError, MethodFailure
from harness.fusing.command import fuse_pictures
from harness.fusing.inference import call_fuse, load_method
from harness.machine.device import choose_device, make_deterministic
from harness.methods.contract import Method, check_fused
from harness.methods.spec import MethodSpec, find_method
from harness.methods.weights import Weights, choose_weights
from harness.terminal import progress

EPILOG = """\
Two files or two folders of the same names. A visible picture in colour gives a picture in
colour. With `.npy` sources, (H, W) float32 in [0, 1], or an output that ends in `.npy`, the
method's raw float32 output is written, neither clamped nor quantised.

examples:
  python -m harness fuse ydtr --infrared ir.png --visible rgb.png -o fused.png
  python -m harness fuse tardal --option weights=ct --infrared ir/ --visible rgb/ -o fused/
  python -m harness fuse umfusion --weights fus_0280.pth --infrared a.npy --visible b.npy -o f.npy
  python -m harness fuse segfanet --checkpoint checkpoint.pt --infrared ir/ --visible rgb/ -o out/
"""


def add_parser(commands: Commands) -> None:
    """Add this command's parser."""
    parser = add_command(
        commands, "fuse", run, "fuse two pictures, or two folders of pictures", EPILOG
    )
    parser.add_argument("method", help="as `python -m harness methods` lists it")
    for source in ("--infrared", "--visible"):
        parser.add_argument(
            source, type=Path, required=True, metavar="PATH", help="picture, array or folder"
        )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="PATH", help="file or folder to write"
    )
    parser.add_argument("--checkpoint", type=Path, metavar="FILE", help="of a training here")
    parser.add_argument(
        "--weights", type=Path, metavar="FILE", help="weight file in the place of the authors'"
    )
    add_mirrors(parser, "the authors' weights under any name")
    parser.add_argument(
        "--option",
        type=assignment,
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="over method.yaml's options; may be repeated",
    )
    add_device(parser)


def run(arguments: argparse.Namespace) -> None:
    """Fuse everything that the arguments name.

    Raises:
        HarnessError: naming the file or method, if it cannot be had, read, fused or written.
    """
    spec = find_method(arguments.method, {})
    files = pair_files(arguments.infrared, arguments.visible, arguments.output)
    make_deterministic(0, arguments.threads)
    device = choose_device(spec.device_for(arguments.device))
    try:
        if spec.command:
            _fuse_outside(spec, files, device, arguments.threads)
        else:
            _fuse_here(spec, files, device, arguments)
    except MethodFailure as failure:
        raise HarnessError(f"{spec.name}: {failure}") from failure


def _fuse_outside(
    spec: MethodSpec, files: list[tuple[Path, Path, Path]], device: torch.device, threads: int
) -> None:
    pairs = [read_pair(infrared, visible) for infrared, visible, _ in files]
    sources = [(pair.infrared, pair.visible) for pair in pairs]
    fused = fuse_pictures(spec, sources, [pair.name for pair in pairs], device, threads)
    for (_, _, output), pair, image in zip(files, pairs, fused, strict=True):
        write_fused(output, image, pair)


def _fuse_here(
    spec: MethodSpec,
    files: list[tuple[Path, Path, Path]],
    device: torch.device,
    arguments: argparse.Namespace,
) -> None:
    for folder in arguments.mirror:
        if not folder.is_dir():
            raise HarnessError(f"--mirror {folder}: no such folder")
    options, classes = _as_trained(spec, arguments.checkpoint)
    spec = replace(spec, options={**spec.options, **options, **dict(arguments.option)})
    weights = choose_weights(
        spec,
        checkpoint=arguments.checkpoint,
        file=arguments.weights,
        mirrors=arguments.mirror,
    )
    method = load_method(spec, device, weights.path if weights else None, classes)
    if weights:
        print(_description(weights))
    for infrared, visible, output in progress(files, f"fusing with {spec.name}"):
        pair = read_pair(infrared, visible)
        raw = output.suffix == ARRAY
        write_fused(output, _fuse(spec, method, pair, device, raw=raw), pair)


def _as_trained(spec: MethodSpec, checkpoint: Path | None) -> tuple[dict[str, Any], int]:
    """Options and number of classes that a checkpoint's record states, if it has one."""
    path = checkpoint.with_name("training.json") if checkpoint else None
    if path is None or not path.is_file():
        return {}, 0
    record = read_record(path)
    trained = record["config"]["method"]
    if trained != spec.name:
        raise HarnessError(f"{checkpoint}: holds {trained}, not {spec.name}; fuse with that")
    return record["config"]["options"], record["details"].get("classes", 0)


def _description(weights: Weights) -> str:
    known = {
        "official": "the authors' file",
        "retrained": "trained here",
        "user": "given by you, not known to be the authors'",
    }
    return f"weights: {weights.path.name}, {known[weights.origin]}, sha256 {weights.sha256}"


def _fuse(
    spec: MethodSpec, method: Method, pair: Pair, device: torch.device, *, raw: bool
) -> Float:
    infrared, visible = (
        torch.from_numpy(image)[None, None].to(device) for image in (pair.infrared, pair.visible)
    )
    fused = call_fuse(method, infrared, visible, what=pair.name)
    if not raw:
        images = check_fused(fused, infrared, visible, tiles=[pair.name], clamp=spec.clamp)
        checked: Float = images[0]
        return checked
    # Who asks for raw values may look at weights that are not trained: only what cannot be
    # an array of the right size is refused.
    if fused.shape != infrared.shape or not bool(torch.isfinite(fused).all()):
        raise MethodFailure(f"{pair.name}: shape {tuple(fused.shape)}, or values not finite")
    values: Float = fused[0, 0].to("cpu", torch.float32).numpy()
    return values
