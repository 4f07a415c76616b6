"""Score fused images: `segfanet-bench score`, which is `python -m metrics score`."""

import argparse
import sys

import metrics.cli
from harness.cli import Commands


def add_parser(commands: Commands) -> None:
    """Add this command's parser, which leaves every word to the parser of `metrics`."""
    parser = commands.add_parser(
        "score",
        help="measure fused images; write one row per image",
        add_help=False,
        # No word starts with this character: all of them, `--help` too, are passed on.
        prefix_chars="\0",
    )
    parser.add_argument("words", nargs="*")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Run the command of `metrics` and end with its status."""
    sys.exit(metrics.cli.main(["score", *arguments.words]))
