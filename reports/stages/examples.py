"""Chooses the tiles of the figures: `python -m reports.stages.examples --help`."""

from harness.cli import run
from harness.disk.files import write_text
from reports.stages.common import report_arguments


def main() -> None:
    """Write `<dataset>/examples.json`, a list of tile indices, for each data set."""
    plan, output = report_arguments(main.__doc__ or "", "folder of the data sets' results")
    # They load pandas, which the help of this stage does without.
    from reports.examples import choose_examples
    from reports.run import read_report

    report = read_report(plan)
    for dataset in plan.datasets:
        chosen = choose_examples(plan, dataset, report.analyses[dataset.name])
        write_text(output / dataset.name / "examples.json", f"{chosen}\n")


if __name__ == "__main__":
    run(main)
