"""The command line that all parts of the report share."""

import argparse
from pathlib import Path

from reports.outline import Outline, read_outline


def report_arguments(description: str, output: str) -> tuple[Outline, Path]:
    """Parse `--outline`, `--results` and `--output`."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--outline", required=True, help="JSON of reports.outline.outline_of")
    parser.add_argument("--results", type=Path, default=Path("results"), help="default results")
    parser.add_argument("--output", type=Path, required=True, help=output)
    arguments = parser.parse_args()
    return read_outline(arguments.outline, arguments.results), arguments.output
