"""The command-line arguments that several stages share."""

import argparse
from pathlib import Path

from harness.cli import add_asked, add_device, add_include, json_object
from harness.machine.isolation import SILENCE_SECONDS
from harness.methods.rows import beside
from harness.pixels import PUBLISHED, STRETCHES


def method_parser(description: str) -> argparse.ArgumentParser:
    """Create the parser of a stage that runs one method on one data set with one seed."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--tiles", type=Path, required=True, help="folder of the tile store")
    parser.add_argument("--method", required=True, help="name of a method or variant")
    parser.add_argument(
        "--options", type=json_object, default={}, help="JSON object that overrides method.yaml"
    )
    parser.add_argument("--seed", type=int, default=0, help="random seed; default 0")
    add_device(parser)
    add_include(parser)
    add_asked(parser)
    return parser


def add_stretches(parser: argparse.ArgumentParser, file: str) -> None:
    """Add `--stretch` and `--output`, for a stage that makes one `file` per stretch."""
    parser.add_argument(
        "--stretch",
        nargs="+",
        choices=[*STRETCHES, PUBLISHED],
        default=["none"],
        help="stretches of the fused images; default none",
    )
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        help=f"path of {file} for the first stretch; the others lie in the folders of their rows",
    )


def stacks_of(arguments: argparse.Namespace, of: str = "output") -> dict[str, Path]:
    """Return stretch → path: of the first the argument `of`, of others that in their row."""
    path: Path = getattr(arguments, of)
    first, *others = arguments.stretch
    beside_it = {stretch: beside(path.parent, stretch) / path.name for stretch in others}
    return {first: path, **beside_it}


def add_colour(parser: argparse.ArgumentParser) -> None:
    """Add `--colour`. The rules are those of `metrics.colour`, whose code a stage may not run."""
    parser.add_argument(
        "--colour",
        choices=("luma", "per_channel"),
        default="luma",
        help="luma of the fused images, or their three channels; default luma",
    )


def add_timeout(parser: argparse.ArgumentParser) -> None:
    """Add `--timeout`, for a stage that supervises a method."""
    parser.add_argument(
        "--timeout",
        type=float,
        default=SILENCE_SECONDS,
        metavar="SECONDS",
        help="seconds without a training step or fused tile after which the method has failed; "
        f"default {SILENCE_SECONDS:g}",
    )
