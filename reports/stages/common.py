"""The command line that all stages of the report share."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli import run
from reports.plan import read_plan

if TYPE_CHECKING:
    from reports.run import Report


def run_stage(work: "Callable[[Report, Path], None]", output: str) -> None:
    """Parse `--plan`, `--results` and `--output`, read the results, and do the stage's work.

    Args:
        work: function of the report and the output; its docstring is the program's help.
        output: help text of `--output`.
    """
    run(lambda: _run(work, output))


def _run(work: "Callable[[Report, Path], None]", output: str) -> None:
    parser = argparse.ArgumentParser(description=work.__doc__)
    parser.add_argument("--plan", required=True, help="plan of the report as JSON")
    parser.add_argument(
        "--results",
        type=Path,
        default=Path("results"),
        help="folder of the results; default results",
    )
    parser.add_argument("--output", type=Path, required=True, help=output)
    arguments = parser.parse_args()
    plan = read_plan(arguments.plan, arguments.results)
    # It loads pandas, which the help of a stage does without.
    from reports.run import read_report

    work(read_report(plan), arguments.output)
