"""The command line that all stages of the report share, and the record that each of them writes."""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.cli import add_asked
from harness.disk.records import Asked, Claim, Record
from harness.stages import identity
from reports.plan import ReportPlan, read_plan


@dataclass(frozen=True)
class Part:
    """The part of the report that one stage makes: what it is about, and where it goes."""

    stage: str
    plan: ReportPlan
    description: dict[str, Any]
    output: Path
    asked: Asked

    def record(self, path: Path) -> Record:
        """Begin a record that will lie at `path`.

        Raises:
            HarnessError: if the values are not those that the workflow asked for.
        """
        claim = Claim(path, self.asked, lambda: identity.report(self.stage, self.description))
        return Record(self.stage, {}, claim=claim)


def report_arguments(stage: str, description: str, output: str) -> Part:
    """Parse `--plan`, `--results`, `--asked` and `--output`."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--plan", required=True, help="plan of the report as JSON")
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
    return Part(stage, plan, json.loads(arguments.plan), arguments.output, arguments.asked)
