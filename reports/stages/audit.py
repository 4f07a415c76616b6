"""Measures again under other protocols: `python -m reports.stages.audit --help`."""

from harness.cli import run
from harness.disk.files import write_text
from reports.stages.common import report_arguments


def main() -> None:
    """Write `<dataset>/audit.csv` and its record for each data set."""
    part = report_arguments("audit", main.__doc__ or "", "folder of the data sets' results")
    plan = part.plan
    # They load pandas, which the help of this stage does without.
    from reports.audit import measure_choices
    from reports.run import read_report

    paths = {dataset.name: part.output / dataset.name / "audit.csv" for dataset in plan.datasets}
    records = {name: part.record(path.with_suffix(".json")) for name, path in paths.items()}
    report = read_report(plan)
    for dataset in plan.datasets:
        table = measure_choices(plan, dataset, report.analyses[dataset.name])
        text = table.to_csv(index=False, lineterminator="\n")
        path = paths[dataset.name]
        write_text(path, text)
        records[dataset.name].write(path.with_suffix(".json"), [path])


if __name__ == "__main__":
    run(main)
