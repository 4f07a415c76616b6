"""The command line that all stages of the report share, and the record that each of them writes."""

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from harness.cli import add_asked, json_text, run
from harness.disk.records import Claim, Record
from harness.stages import identity
from reports.plan import read_plan

if TYPE_CHECKING:
    from reports.run import Report

Written: TypeAlias = Mapping[Path, list[Path]]
"""Path of a record → the files that it describes."""
Work: TypeAlias = "Callable[[Report, Path], Written]"


def run_stage(stage: str, work: Work, output: str) -> None:
    """Parse the arguments, read the results, do the stage's work and write its records.

    Args:
        stage: name of the stage.
        work: function of the report and the output; its docstring is the program's help.
        output: help text of `--output`.
    """
    run(lambda: _run(stage, work, output))


def _run(stage: str, work: Work, output: str) -> None:
    parser = argparse.ArgumentParser(description=work.__doc__)
    parser.add_argument("--plan", type=json_text, required=True, help="plan of the report as JSON")
    parser.add_argument(
        "--results",
        type=Path,
        default=Path("results"),
        help="folder of the results; default results",
    )
    parser.add_argument("--output", type=Path, required=True, help=output)
    add_asked(parser)
    arguments = parser.parse_args()
    plan = read_plan(arguments.plan, arguments.results)
    description = json.loads(arguments.plan)
    # All records of a stage of the report state the same identity.
    path = Path(next(iter(arguments.asked.makes), stage))
    claim = Claim(path, arguments.asked, lambda: identity.report(stage, description))
    record = Record(stage, {}, claim=claim)
    # It loads pandas, which the help of a stage does without.
    from reports.run import read_report

    for path, files in work(read_report(plan), arguments.output).items():
        record.write(path, files)
