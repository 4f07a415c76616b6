"""The costs of methods, read from the records of training and fusing."""

from dataclasses import dataclass

from harness.disk.records import read_record
from harness.methods.rows import Row
from reports.learning import marked
from reports.plan import ReportPlan
from reports.scores import Run


@dataclass(frozen=True)
class MethodCost:
    """What one method costs on one data set with its first seed; None where nothing is recorded.

    milliseconds: time per image, median after warm-up. memory: peak in MiB.
    hours: time of one training.
    """

    dataset: str
    row: str
    title: str
    parameters: int | None
    gflops: float | None
    milliseconds: float | None
    memory: float | None
    hours: float | None
    hardware: str


def costs(plan: ReportPlan, runs: dict[str, list[Run]]) -> list[MethodCost]:
    """List the costs of every method's raw row, in table order; failed runs have none."""
    return [
        _cost(run, marked(plan.method(run.row).title, run.row, [run.row] if run.unlearned else []))
        for several in runs.values()
        for run in several
        if Row.parse(run.row).raw and run.seed == plan.method(run.row).seeds[0] and not run.failure
    ]


def _cost(run: Run, title: str) -> MethodCost:
    details, machine = run.fusing["details"], run.fusing["machine"]
    training = run.folder / "training.json"
    processor = f"{machine.get('cpu', 'unknown processor')}, {machine.get('cores', '?')} cores"
    return MethodCost(
        run.dataset,
        run.row,
        title,
        details.get("parameters"),
        details.get("gflops"),
        details.get("milliseconds_per_image"),
        details.get("peak_memory_mib", run.fusing.get("peak_memory_mib")),
        read_record(training)["wall_seconds"] / 3600 if training.is_file() else None,
        f"{details.get('device', 'unknown device')}; {processor}",
    )
