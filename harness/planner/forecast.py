"""Forecast every job of a configuration with its hours, memory and disk space."""

import json
import math
from dataclasses import asdict, dataclass, replace
from typing import Any

from harness.benchmark import Benchmark
from harness.disk.records import machine, package_versions
from harness.fetching.batch import bytes_of, bytes_to_unpack
from harness.fetching.source import ExternalFile
from harness.planner.jobs import Job, Tiles, downloads_of, jobs_of, tiles_of
from harness.planner.measuring import (
    Setting,
    UnitCost,
    fusing_cost,
    measured,
    scoring_cost,
    tiling_cost,
    training_cost,
    unpacking_rate,
)
from harness.planner.schedule import Task, makespan
from harness.scenes.scene import BANDS
from harness.terminal import progress

NAME_BYTES, NUMBER_BYTES = 40, 19
"""Bytes per row of a table of scores: of data set, method, seed and tile together; of each
number."""
GPUS = (1, 4, 8)
"""Numbers of GPUs for which the schedule is computed."""


@dataclass(frozen=True)
class Forecast:
    """One job, the cost of its unit of work, and the bytes that it leaves on the disk."""

    job: Job
    cost: UnitCost
    disk: int

    @property
    def hours(self) -> float | None:
        """Hours on the measured device; None if the cost could not be measured."""
        seconds = self.cost.seconds
        return None if seconds is None else seconds * self.job.amount / 3600


@dataclass(frozen=True)
class Plan:
    """The forecast of all jobs of a configuration."""

    title: str
    setting: Setting
    tiles: dict[str, Tiles]
    forecasts: list[Forecast]
    downloads: dict[str, list[ExternalFile]]
    """Data set or method → external files, as if nothing were here yet."""
    unpacking_rate: float
    """Bytes per second at which members are copied out of archives and hashed."""

    def makespans(self) -> dict[int, float]:
        """Return number of GPUs → hours from the start of the first job to the end of the last."""
        tasks = [
            Task(item.job.name, item.hours or 0.0, item.job.gpus, item.job.after)
            for item in self.forecasts
        ]
        return {gpus: makespan(tasks, gpus) for gpus in GPUS}

    def as_json(self) -> dict[str, Any]:
        """Return everything as JSON, in seconds, hours, bytes and 10⁹ operations."""
        return {
            "title": self.title,
            "device": str(self.setting.device),
            "threads": self.setting.threads,
            "timed_steps": self.setting.steps,
            "machine": machine(),
            "packages": package_versions(),
            "memory_is_estimated": self.setting.device.type != "cuda",
            "datasets": {name: asdict(tiles) for name, tiles in self.tiles.items()},
            "jobs": [_job_json(item) for item in self.forecasts],
            "hours": sum(item.hours or 0.0 for item in self.forecasts),
            "disk": sum(item.disk for item in self.forecasts),
            "downloads": {name: bytes_of(files) for name, files in self.downloads.items()},
            "unpacked": {name: bytes_to_unpack(files) for name, files in self.downloads.items()},
            "unpacking_rate": self.unpacking_rate,
            "makespan_hours": {
                gpus: None if math.isinf(hours) else hours
                for gpus, hours in self.makespans().items()
            },
        }


def _job_json(item: Forecast) -> dict[str, Any]:
    keys = ("name", "stage", "dataset", "row", "seed", "after", "gpus", "amount")
    job = {key: getattr(item.job, key) for key in keys}
    return {**job, "hours": item.hours, "disk": item.disk, **asdict(item.cost)}


def forecast(benchmark: Benchmark, setting: Setting) -> Plan:
    """Count the jobs of a configuration, and measure one job of each kind.

    Raises:
        HarnessError: if a data set's options cannot work.
    """
    tiles = {name: tiles_of(benchmark, name) for name in benchmark.datasets}
    jobs = jobs_of(benchmark, tiles)
    kinds = {_kind(job, tiles[job.dataset]): job for job in reversed(jobs)}
    costs = {
        kind: _measure(job, tiles[job.dataset], benchmark, setting)
        for kind, job in progress(list(reversed(kinds.items())), "measuring", unit="kind")
    }
    costed = [
        (job, _per_tile(job, tiles[job.dataset], costs[_kind(job, tiles[job.dataset])]))
        for job in jobs
    ]
    forecasts = [
        Forecast(
            job, cost, _disk(job, tiles[job.dataset], cost, len(benchmark.metrics(job.dataset)))
        )
        for job, cost in costed
    ]
    title, downloads = benchmark.config.title, downloads_of(benchmark)
    return Plan(title, setting, tiles, forecasts, downloads, unpacking_rate())


def _kind(job: Job, tiles: Tiles) -> str:
    """Return the kind of a job; jobs of one kind have equal costs per step or tile."""
    spec = job.spec
    method: list[Any] = [job.stacks] if job.stage == "measure" else []
    if spec is not None and job.stage in ("train", "fuse"):
        labels = tiles.classes if spec.needs_labels else 0
        method += [spec.name, dict(spec.options), labels]
        if job.stage == "train":
            method += [dict(spec.train or {}), tiles.train > 0]
    return json.dumps([job.stage, tiles.seen_by(job.stage).shape, *method], sort_keys=True)


def _per_tile(job: Job, tiles: Tiles, cost: UnitCost) -> UnitCost:
    """Scale the seconds for the shape that was measured to the mean size of the job's tiles."""
    measured_pixels = job.amount * math.prod(tiles.seen_by(job.stage).shape)
    if job.stage == "train" or cost.seconds is None or not measured_pixels:
        return cost
    return replace(cost, seconds=cost.seconds * tiles.pixels(job.stage) / measured_pixels)


def _measure(job: Job, tiles: Tiles, benchmark: Benchmark, setting: Setting) -> UnitCost:
    tiles = tiles.seen_by(job.stage)
    if job.stage == "prepare":
        return measured(tiling_cost, tiles, setting)
    if job.stage == "measure":
        names = tuple(benchmark.metrics(job.dataset))
        return measured(scoring_cost, names, job.stacks, tiles, setting)
    measure = training_cost if job.stage == "train" else fusing_cost
    return measured(measure, job.spec, tiles, setting)


def _disk(job: Job, tiles: Tiles, cost: UnitCost, numbers: int) -> int:
    """Return the bytes that remain on the disk after the job."""
    return {
        "prepare": len(BANDS) * tiles.pixels("prepare"),
        "train": cost.checkpoint,
        "fuse": job.stacks * tiles.pixels("fuse"),
        "measure": job.stacks * job.amount * (NAME_BYTES + NUMBER_BYTES * numbers),
    }[job.stage]
