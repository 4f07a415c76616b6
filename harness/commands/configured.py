"""The configuration that a command is about, and the results that belong to it."""

import argparse
from pathlib import Path

from harness.disk.schema import ROOT, read_yaml
from harness.errors import HarnessError
from harness.workflow import Results


def add_configfile(parser: argparse.ArgumentParser) -> None:
    """Add `--configfile`."""
    parser.add_argument(
        "--configfile",
        type=Path,
        default=ROOT / "config" / "config.yaml",
        metavar="FILE",
        help="configuration of the results; default config/config.yaml, the demonstration",
    )


def read_results(arguments: argparse.Namespace) -> Results:
    """Return the results below the current folder that the configuration asks for.

    Raises:
        HarnessError: if the configuration cannot be read or cannot work.
    """
    from harness.benchmark import Benchmark

    config = read_yaml(arguments.configfile)
    if not isinstance(config, dict):
        raise HarnessError(f"{arguments.configfile}: is not a configuration; see config/README.md")
    return Results(Benchmark(config))
