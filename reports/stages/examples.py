"""Chooses the tiles of the figures: `python -m reports.stages.examples --help`."""

from harness.cli import run
from harness.disk.files import write_text
from reports.stages.common import report_arguments


def main() -> None:
    """Write `<dataset>/examples.json`, a list of tile indices per data set, and their record."""
    part = report_arguments("examples", main.__doc__ or "", "folder of the data sets' results")
    path = part.output / "examples.json"
    record, plan = part.record(path), part.plan
    # They load pandas, which the help of this stage does without.
    from reports.examples import choose_examples
    from reports.run import read_report

    report = read_report(plan)
    written = []
    for dataset in plan.datasets:
        chosen = choose_examples(plan, dataset, report.analyses[dataset.name])
        written.append(part.output / dataset.name / "examples.json")
        write_text(written[-1], f"{chosen}\n")
    record.write(path, written)


if __name__ == "__main__":
    run(main)
