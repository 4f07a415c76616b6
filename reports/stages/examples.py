"""Chooses the tiles of the figures: `python -m reports.stages.examples --help`."""

from pathlib import Path
from typing import TYPE_CHECKING

from harness.disk.files import write_text
from reports.stages.common import run_stage

if TYPE_CHECKING:
    from reports.run import Report


def write_examples(report: "Report", output: Path) -> None:
    """Write `<dataset>/examples.json`, a list of tile indices, for each data set."""
    from reports.examples import choose_examples

    for dataset in report.plan.datasets:
        chosen = choose_examples(report.plan, dataset, report.analyses[dataset.name])
        write_text(output / dataset.name / "examples.json", f"{chosen}\n")


if __name__ == "__main__":
    run_stage(write_examples, "folder of the data sets' results")
