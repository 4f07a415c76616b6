"""The command line that all stages of the report share."""

import argparse
from pathlib import Path

from reports.plan import ReportPlan, read_plan


def report_arguments(description: str, output: str) -> tuple[ReportPlan, Path]:
    """Parse `--plan`, `--results` and `--output`."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--plan", required=True, help="plan of the report as JSON")
    parser.add_argument(
        "--results",
        type=Path,
        default=Path("results"),
        help="folder of the results; default results",
    )
    parser.add_argument("--output", type=Path, required=True, help=output)
    arguments = parser.parse_args()
    return read_plan(arguments.plan, arguments.results), arguments.output
