"""The command line that the stages share which run one method."""

import argparse
from pathlib import Path

from harness.cli import add_device, add_include, json_object
from harness.machine.isolation import PATIENCE


def method_parser(description: str) -> argparse.ArgumentParser:
    """Make the parser of a stage that runs one method on one data set with one seed."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--tiles", type=Path, required=True, help="folder of the tile store")
    parser.add_argument("--method", required=True, help="name of a method or variant")
    parser.add_argument("--options", type=json_object, default={}, help="JSON, over method.yaml's")
    parser.add_argument("--seed", type=int, default=0, help="default 0")
    add_device(parser)
    add_include(parser)
    return parser


def add_timeout(parser: argparse.ArgumentParser) -> None:
    """Let a stage that supervises a method be told how patient to be."""
    parser.add_argument(
        "--timeout",
        type=float,
        default=PATIENCE,
        metavar="SECONDS",
        help="without a training step or fused tile after which the method has failed; "
        f"default {PATIENCE:g}",
    )
