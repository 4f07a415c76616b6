"""How far a run is: its jobs by stage, what is running, and an estimate of the time left."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

TARGET = "all"
"""The rule that only collects what is wanted; it makes nothing."""


@dataclass(frozen=True)
class Job:
    """One job of a stage; `started` is in seconds of one clock."""

    stage: str
    wildcards: Mapping[str, str]
    logs: Sequence[str]
    output: Sequence[str]
    started: float

    @property
    def cell(self) -> str:
        """Data set, row and seed as the folders of results have them; "" for jobs about all."""
        words = self.wildcards.items()
        return "/".join(f"seed{value}" if key == "seed" else value for key, value in words)

    @property
    def name(self) -> str:
        """Stage and cell."""
        return f"{self.stage} {self.cell}".rstrip()


@dataclass
class Progress:
    """All jobs of a run. Times are seconds of one clock, whose zero does not matter.

    planned: jobs per stage. failed: jobs that ended with an error or left a failed cell.
    """

    planned: Counter[str] = field(default_factory=Counter)
    began: float = 0.0
    known: dict[int, Job] = field(default_factory=dict)
    running: set[int] = field(default_factory=set)
    ended: dict[int, float] = field(default_factory=dict)
    failed: set[int] = field(default_factory=set)

    def plan(self, stats: Mapping[str, int], now: float) -> None:
        """Take the numbers of jobs per rule, as Snakemake counts them before it starts."""
        self.planned = Counter({k: n for k, n in stats.items() if k not in (TARGET, "total")})
        self.began = now

    def start(self, number: int, job: Job) -> None:
        """Note that a job starts, perhaps again."""
        self.known[number] = job
        self.running.add(number)
        self.ended.pop(number, None)
        self.failed.discard(number)

    def end(self, number: int, now: float, *, failed: bool = False) -> None:
        """Note that a job ended."""
        self.running.discard(number)
        self.ended[number] = now
        if failed:
            self.failed.add(number)

    @property
    def total(self) -> int:
        """The number of all jobs."""
        return self.planned.total()

    @property
    def done(self) -> int:
        """The number of jobs that ended."""
        return len(self._ended())

    def _ended(self, stage: str = "") -> list[int]:
        stages = {stage} if stage else self.planned.keys()
        return [number for number in self.ended if self.known[number].stage in stages]

    def is_finished(self, stage: str) -> bool:
        """Say whether all jobs of a stage ended."""
        return len(self._ended(stage)) >= self.planned[stage] > 0

    def is_made(self, stage: str) -> bool:
        """Say whether all jobs of a stage ended well."""
        return self.is_finished(stage) and not self.has_failures(stage)

    def summary(self, stage: str) -> str:
        """Return one line about a finished stage: jobs, time from first to last, failures."""
        ended = self._ended(stage)
        first = min(self.known[number].started for number in ended)
        took = duration(max(self.ended[number] for number in ended) - first)
        jobs = "job" if len(ended) == 1 else "jobs"
        return f"{stage}: {len(ended)} {jobs} in {took}{self._failures(stage)}"

    def unfinished(self) -> str:
        """List the stages of which jobs did not run to their end; "" if there is none."""
        return ", ".join(
            f"{stage} ({len(self._ended(stage))} of {count} done{self._failures(stage)})"
            for stage, count in self.planned.items()
            if not self.is_finished(stage)
        )

    def _failures(self, stage: str) -> str:
        failed = self.failed.intersection(self._ended(stage))
        return f", {len(failed)} failed" if failed else ""

    def has_failures(self, stage: str) -> bool:
        """Say whether a job of a stage failed."""
        return not self.failed.isdisjoint(self._ended(stage))

    def status(self, now: float) -> str:
        """Return one line about the whole run: jobs done, time left, jobs that are running."""
        parts = [f"{self.done} of {self.total} jobs done"]
        left = self.left(now)
        if left is not None:
            parts.append(f"about {duration(left)} left")
        if self.running:
            names = ", ".join(self.known[number].name for number in sorted(self.running))
            parts.append(f"running: {names}")
        return "; ".join(parts)

    def left(self, now: float) -> float | None:
        """Estimate the seconds until all jobs end; None before a tenth of them ended.

        A job takes as long as those of its stage took on average, or as all did if none of its
        stage ended yet; as many run side by side as did so far.
        """
        ended = self._ended()
        if not ended or 10 * len(ended) < self.total:
            return None
        lasted: dict[str, list[float]] = {}
        for number in ended:
            job = self.known[number]
            lasted.setdefault(job.stage, []).append(self.ended[number] - job.started)
        spent = sum(sum(times) for times in lasted.values())
        usual = dict.fromkeys(self.planned, spent / len(ended))
        usual |= {stage: sum(times) / len(times) for stage, times in lasted.items()}
        work = sum(
            (count - len(lasted.get(stage, ()))) * usual[stage]
            for stage, count in self.planned.items()
        )
        for number in self.running:
            since = now - self.known[number].started
            work -= min(since, usual.get(self.known[number].stage, 0.0))
            spent += since
        side_by_side = max(spent / max(now - self.began, 1e-3), 1.0)
        return max(work, 0.0) / side_by_side


def duration(seconds: float) -> str:
    """Write a time span with one or two units."""
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    hours, minutes_left = divmod(minutes, 60)
    if not hours:
        return f"{minutes} min" if minutes >= 10 or not rest else f"{minutes} min {rest} s"
    return f"{hours} h {minutes_left} min"
