"""The configuration that a command is about."""

import argparse
from pathlib import Path
from typing import Any

from harness.disk.schema import ROOT, read_yaml
from harness.errors import HarnessError


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
