"""The configuration that a command is about, and the results that it asks for."""

import argparse
from pathlib import Path
from typing import Any

from harness.benchmark import Benchmark
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


def read_config(path: Path) -> dict[str, Any]:
    """Read a configuration file; its keys are not checked.

    Raises:
        HarnessError: if it cannot be read or holds no keys.
    """
    config = read_yaml(path)
    if not isinstance(config, dict):
        raise HarnessError(f"{path}: is not a configuration; see config/README.md")
    return config


def read_results(arguments: argparse.Namespace) -> Results:
    """Return the results below the current folder that the configuration asks for.

    Raises:
        HarnessError: if the configuration cannot be read or cannot work.
    """
    return Results(Benchmark(read_config(arguments.configfile)))
