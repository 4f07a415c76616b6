"""The costs of methods, read from the records of training and fusing."""

from dataclasses import dataclass
from typing import Any

from harness.benchmark import Row
from harness.disk.records import read_record
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
    found = []
    for dataset in plan.datasets:
        for run in runs[dataset.name]:
            method = plan.method(run.row)
            if not Row.parse(run.row).raw or run.seed != method.seeds[0] or run.failure:
                continue
            training = plan.folder(dataset, run.row, run.seed) / "training.json"
            trained = read_record(training) if training.is_file() else {}
            found.append(_cost(dataset.name, run.row, method.title, run.fusing, trained))
    return found


def _cost(
    dataset: str, row: str, title: str, fusing: dict[str, Any], training: dict[str, Any]
) -> MethodCost:
    details = fusing["details"]
    seconds = training.get("wall_seconds")
    machine = fusing["machine"]
    processor = f"{machine.get('cpu', 'unknown processor')}, {machine.get('cores', '?')} cores"
    return MethodCost(
        dataset,
        row,
        title,
        details.get("parameters"),
        details.get("gflops"),
        details.get("milliseconds_per_image"),
        details.get("peak_memory_mib", fusing.get("peak_memory_mib")),
        None if seconds is None else seconds / 3600,
        f"{details.get('device', 'unknown device')}; {processor}",
    )
