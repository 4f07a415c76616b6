"""Measure under other protocols: `python -m reports.stages.audit --help`."""

from harness.files import write_text
from harness.stages.common import run
from reports.audit import measure_choices
from reports.run import read_report
from reports.stages.common import report_arguments


def main() -> None:
    """Parse the command line and write `<dataset>/audit.csv` for every data set."""
    outline, output = report_arguments(main.__doc__ or "", "folder of the data sets' results")
    report = read_report(outline)
    for dataset in outline.datasets:
        table = measure_choices(outline, dataset, report.analyses[dataset.name])
        text = table.to_csv(index=False, lineterminator="\n")
        write_text(output / dataset.name / "audit.csv", text)


if __name__ == "__main__":
    run(main)
