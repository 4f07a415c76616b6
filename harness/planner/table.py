"""Format a forecast as text for a terminal."""

import math
from collections.abc import Iterable, Sequence
from itertools import groupby

from harness.disk.files import size_text
from harness.disk.records import machine
from harness.fetching.batch import bytes_of, bytes_to_unpack, outermost, size_of
from harness.planner.forecast import Forecast, Plan
from harness.terminal import aligned

STAGES = ("prepare", "train", "fuse", "measure")
UNKNOWN = "?"
LINE = 100_000_000
"""Bits per second for which the hours of the downloads are computed."""
SMALLEST = 0.001
"""Smallest value that is printed as a number."""


def render(plan: Plan) -> str:
    """Return the text: data sets, jobs (all seeds in one row), totals, schedule and notes."""
    parts: tuple[Iterable[str], ...] = (
        (plan.title, _measured_on(plan)),
        _datasets(plan),
        _downloads(plan),
        _jobs(plan.forecasts),
        _totals(plan.forecasts),
        _schedule(plan),
        _notes(plan),
    )
    return "\n\n".join(map("\n".join, parts))


def number(value: float | None, scale: float = 1.0) -> str:
    """Format a value divided by `scale` with three significant digits, or as `<SMALLEST`."""
    if value is None or math.isinf(value):
        return UNKNOWN
    value /= scale
    if 0 < value < SMALLEST:
        return f"<{SMALLEST}"
    digits = next((d for bound, d in ((100, 0), (10, 1), (1, 2)) if abs(value) >= bound), 3)
    return f"{value:,.{digits}f}"


def _measured_on(plan: Plan) -> str:
    setting = plan.setting
    return (
        f"measured on {machine()['cpu']}, device {setting.device}, {setting.threads} threads, "
        f"{setting.steps} training steps and one call of fuse each"
    )


def _datasets(plan: Plan) -> list[str]:
    rows = [("data set", "tiles to train", "to test", "size", "classes")]
    for name, tiles in plan.tiles.items():
        size = "×".join(map(str, tiles.shape))
        if tiles.largest != tiles.shape:
            size += f", test up to {'×'.join(map(str, tiles.largest))}"
        rows.append((name, f"{tiles.train:,}", f"{tiles.test:,}", size, str(tiles.classes)))
    return aligned(rows, numeric=(1, 2, 4))


def _downloads(plan: Plan) -> list[str]:
    hours = f"hours at {LINE // 1_000_000} Mbit/s"
    rows = [("to download for", "files", "size", hours, "to unpack", "minutes", "licence")]
    for name, files in plan.downloads.items():
        count = len({outermost(file) for file in files})
        seconds, unpacked = bytes_of(files) * 8 / LINE, bytes_to_unpack(files)
        unpacking = (
            (size_text(unpacked), number(unpacked / plan.unpacking_rate, 60))
            if unpacked
            else ("", "")
        )
        duration = number(seconds or None, 3600)
        rows.append((name, f"{count:,}", size_of(files), duration, *unpacking, files[0].licence))
    return aligned(rows, numeric=(1, 3, 4, 5)) if len(rows) > 1 else ["nothing to download"]


def _jobs(forecasts: Sequence[Forecast]) -> list[str]:
    heading = (
        "data set", "stage", "row", "runs", "steps or tiles", "parameters", "GFLOP each",
        "s each", "hours a run", "hours", "memory GB", "disk GB",
    )  # fmt: skip
    rows = [heading]
    ordered = sorted(forecasts, key=lambda item: STAGES.index(item.job.stage))
    places = groupby(ordered, key=lambda item: (item.job.dataset, item.job.stage, item.job.row))
    for place, group in places:
        runs = list(group)
        cost, hours = runs[0].cost, runs[0].hours
        parameters = "" if cost.parameters is None else f"{cost.parameters:,}"
        rows.append(
            (
                *place,
                str(len(runs)),
                f"{runs[0].job.amount:,}",
                parameters,
                "" if cost.gflop is None else number(cost.gflop),
                number(cost.seconds),
                number(hours),
                number(None if hours is None else hours * len(runs)),
                "" if cost.memory is None else number(cost.memory, 1e9),
                number(sum(item.disk for item in runs), 1e9),
            )
        )
    return aligned(rows, numeric=range(3, len(heading)))


def _totals(forecasts: Sequence[Forecast]) -> list[str]:
    heading = ("total", "jobs", "steps or tiles", "PFLOP", "hours", "largest GB", "disk GB")
    stages = [
        _total(stage, [item for item in forecasts if item.job.stage == stage]) for stage in STAGES
    ]
    return aligned([heading, *stages, _total("all", forecasts)], numeric=range(1, len(heading)))


def _total(name: str, items: Sequence[Forecast]) -> tuple[str, ...]:
    amount = f"{sum(item.job.amount for item in items):,}" if name in STAGES else ""
    work = sum((item.cost.gflop or 0) * item.job.amount for item in items)
    memory = max((item.cost.memory or 0 for item in items), default=0)
    return (
        name,
        str(len(items)),
        amount,
        number(work, 1e6) if work else "",
        number(sum(item.hours or 0 for item in items)),
        number(memory, 1e9) if memory else "",
        number(sum(item.disk for item in items), 1e9),
    )


def _schedule(plan: Plan) -> list[str]:
    device = "GPU" if plan.setting.device.type == "cuda" else "machine"
    rows = [("in parallel", "hours until all is done", "days")]
    for count, hours in plan.makespans().items():
        name = f"{count} {device}{'' if count == 1 else 's'} like this one"
        rows.append((name, number(hours), number(hours, 24)))
    return aligned(rows, numeric=(1, 2))


def _notes(plan: Plan) -> Iterable[str]:
    yield "Hours hold for the measured machine. `s each` and `GFLOP each` are per training step,"
    yield "fused pair or tile; operations are those of convolutions and matrix products."
    yield "prepare: only cutting and writing. Files at hand are not downloaded again; archives"
    yield "inside an archive are copied out of it once, which takes their room again."
    yield "disk: what remains; a running training needs a second checkpoint. Not counted:"
    yield "downloads, the report, validation during training, the start of each job (seconds)."
    if plan.setting.device.type != "cuda":
        yield "memory: estimated, for training (parameters, gradients, Adam's moments, tensors that"
        yield "autograd saves; no workspaces) and for a call of fuse. On a GPU it is measured."
    failures = {
        f"{item.job.stage} {item.job.row or item.job.dataset}: {item.cost.failure}": None
        for item in plan.forecasts
        if item.cost.failure
    }
    if failures:
        yield ""
        yield "Not measured and not included in the sums:"
        yield from (f"  {failure}" for failure in failures)
