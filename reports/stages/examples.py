"""Chooses the tiles of the figures: `python -m reports.stages.examples --help`."""

from pathlib import Path
from typing import TYPE_CHECKING

from harness.disk.files import write_text
from reports.stages.common import Written, run_stage

if TYPE_CHECKING:
    from reports.run import Report


def write_examples(report: "Report", output: Path) -> Written:
    """Write `<dataset>/examples.json`, a list of tile indices per data set, and their record."""
    from reports.examples import choose_examples

    files = []
    for dataset in report.plan.datasets:
        chosen = choose_examples(report.plan, dataset, report.analyses[dataset.name])
        files.append(output / dataset.name / "examples.json")
        write_text(files[-1], f"{chosen}\n")
    return {output / "examples.json": files}


if __name__ == "__main__":
    run_stage("examples", write_examples, "folder of the data sets' results")
