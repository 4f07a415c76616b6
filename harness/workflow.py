"""What the Snakefile needs: which results are out of date, and the environment of its jobs.

Snakemake itself compares times. Here a result is compared with what it is asked to be: its record
states its identity, and a job runs if that is not the identity that the configuration, the code
and the inputs ask for now.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.benchmark import Benchmark
from harness.disk.code import DIGITS
from harness.disk.files import sha256_json, write_text
from harness.disk.identity import Request, content_of, differences, identifier
from harness.disk.inventory import Inventory
from harness.disk.records import SOURCES, read_record
from harness.disk.schema import ROOT
from harness.errors import HarnessError
from harness.machine.isolation import USERS_PYTHONPATH
from harness.methods.chosen_weights import weights_content
from harness.methods.rows import Row
from harness.methods.spec import MethodSpec
from harness.scenes.adapters import adapter_files, adapter_folder, source_places
from harness.stages import identity
from harness.tiles.store import INVENTORY, RECORD

RESULTS = Path("results")
ARGUMENTS = Path(".snakemake/arguments")
"""Folder of large arguments, in the folder of the run; every parse writes what is missing."""
LARGE = 16_000
"""Characters above which an argument lies in a file."""
REPORTING = ("tables", "examples", "audit", "report", "complete")
"""Stages that read the values of all runs."""
RECORDS = {
    "train": "training.json",
    "fuse": "fused.json",
    "measure": "scores.json",
    "learning": "learning.json",
    "features": "features.json",
    "tables": "tables/tables.json",
    "examples": "examples.json",
    "report": "report/index.json",
    "complete": "report/complete.json",
}
"""Stage → its record, in the folder of the run or of all results."""
KEPT = ("prepare", "train", "fuse")
"""Stages whose results are never made again only because their records state no identity."""
RETRIED = ("train", "fuse", "measure")
"""Stages whose failure is tried again by every run."""


OPTIMUM = "loss_optimum"
"""The control whose loss is the least that any image can have."""
MISSING, AGAIN, GONE = "it is not there", " is made again", " was deleted"
DERIVED = (MISSING, AGAIN)
"""Ends of the reasons that follow from others, or explain themselves."""


@dataclass(frozen=True)
class Job:
    """One result of the workflow; what a stage does not need stays empty."""

    stage: str
    dataset: str = ""
    row: str = ""
    seed: int = 0

    @property
    def record(self) -> Path:
        """Path of the record that states what the result belongs to."""
        if self.stage == "prepare":
            return RESULTS / self.dataset / "tiles" / RECORD
        if self.stage == "audit":
            return RESULTS / self.dataset / "audit.json"
        if self.stage in REPORTING:
            return RESULTS / RECORDS[self.stage]
        return RESULTS / self.dataset / self.row / f"seed{self.seed}" / RECORDS[self.stage]

    @property
    def target(self) -> Path:
        """Path of the record that the rule declares: one job makes all stretches of a run."""
        row = Row.parse(self.row).run.name if self.row else ""
        return replace(self, row=row).record


class Results:
    """All results of a benchmark: what each of them has to be, and what lies on disk.

    Args:
        benchmark: what is asked for.
        plan: the plan of its report; nothing of the report is known without.
        forced: whether the user asks for a job in any case.
    """

    def __init__(
        self,
        benchmark: Benchmark,
        plan: Mapping[str, Any] | None = None,
        forced: Callable[[Job], bool] = lambda job: False,
    ) -> None:
        self.benchmark, self.plan, self.forced = benchmark, plan or {}, forced
        self._requests: dict[tuple[str, str], Request] = {}
        self._reasons: dict[Job, str] = {}

    @cached_property
    def runs(self) -> list[Job]:
        """The jobs that measure the rows of all data sets."""
        return [
            Job("measure", dataset, row, seed)
            for dataset in self.benchmark.datasets
            for row, seed in self.benchmark.runs(dataset)
        ]

    @cached_property
    def learning(self) -> list[Job]:
        """The jobs that measure what each training learned, and the optimum beside them."""
        trained = [
            replace(job, stage="learning")
            for job in self.runs
            if Row.parse(job.row).raw and self.benchmark.is_trained(job.row)
        ]
        datasets = {job.dataset for job in trained}
        optima = [
            replace(job, stage="learning")
            for job in self.runs
            if job.row == OPTIMUM and job.dataset in datasets
        ]
        return [*trained, *optima]

    @cached_property
    def features(self) -> list[Job]:
        """The jobs that save SegFANet's feature maps, where it is trained here."""
        known = "segfanet" in self.benchmark.methods and self.benchmark.is_trained("segfanet")
        seeds = self.benchmark.seeds("segfanet")[:1] if known else []
        datasets = self.benchmark.datasets
        return [Job("features", name, "segfanet", seed) for name in datasets for seed in seeds]

    def jobs(self) -> list[Job]:
        """Return all jobs up to the values of every row, inputs before what is made from them."""
        found: dict[Job, None] = {}

        def add(job: Job) -> None:
            for source in self.inputs(job):
                add(source)
            found[job] = None

        for job in self.runs:
            add(job)
        return list(found)

    def inputs(self, job: Job) -> list[Job]:
        """Return the jobs whose results a job reads."""
        if job.stage == "prepare":
            return []
        if job.stage == "report":
            audits = [Job("audit", dataset) for dataset in self.benchmark.datasets]
            return [*self.runs, *self.learning, *audits, *self.features]
        if job.stage in REPORTING:
            return [*self.runs, *self.learning]
        tiles = Job("prepare", job.dataset)
        if job.stage == "train":
            return [tiles]
        if job.stage == "measure":
            return [tiles, *self.stretches(replace(job, stage="fuse"))]
        examples = [Job("examples")] if job.stage == "features" else []
        fused = [replace(job, stage="fuse")] if job.stage == "learning" else []
        row = Row.parse(job.row).run.name
        trained = self.benchmark.is_trained(row)
        training = [Job("train", job.dataset, row, job.seed)] if trained else []
        return [tiles, *examples, *fused, *training]

    def stretches(self, job: Job) -> list[Job]:
        """Return all results that the job which fuses or measures one of them makes."""
        row = Row.parse(job.row)
        names = [row.stretched(s).name for s in self.benchmark.stretches(row.name)]
        return [replace(job, row=name) for name in names]

    def request(self, job: Job) -> Request:
        """Return what the identity of a result has to be, but its inputs."""
        # Data sets and seeds share what takes long to state: code and weights.
        shared = job.stage, job.dataset if job.stage in ("prepare", "measure") else job.row
        if job.stage == "fuse":
            colour = self.benchmark.measuring(job.dataset)["colour"]
            given = job.dataset if Row.parse(job.row).given else ""
            shared = job.stage, f"{job.row} {colour} {given}"
        if shared not in self._requests:
            # As it is read from a record: lists for tuples.
            self._requests[shared] = json.loads(json.dumps(self._request(job)))
        request = self._requests[shared]
        own: dict[str, Any] = {
            key: getattr(job, key) for key in ("dataset", "row", "seed") if key in request
        }
        return {**request, **own}

    def _request(self, job: Job) -> Request:
        bench = self.benchmark
        if job.stage in REPORTING:
            return identity.report(job.stage, self.plan)
        if job.stage == "prepare":
            name = bench.adapter_name(job.dataset)
            files = adapter_files(name, bench.include), adapter_folder(name, bench.include)
            options = bench.dataset_options(job.dataset)
            return identity.prepare(name, options, bench.tiling(job.dataset), *files)
        if job.stage == "measure":
            rule = bench.measuring(job.dataset)
            names = bench.metrics(job.dataset)
            return identity.measure(job.dataset, job.row, job.seed, names, rule)
        if Row.parse(job.row).given:
            return self._taking(job)
        spec, device = self.spec(job), bench.config.device
        if job.stage == "train":
            return identity.train(spec, spec.train or {}, job.seed, device)
        if job.stage in ("learning", "features"):
            state = identity.learning if job.stage == "learning" else identity.features
            return state(spec, job.seed, device)
        file, trained = bench.weights_file(job.row), bench.is_trained(job.row)
        weights = weights_content(spec, file, trained=trained)
        output = Row.parse(job.row).stretch, bench.measuring(job.dataset)["colour"]
        return identity.fuse(spec, output, weights, job.seed, device)

    def _taking(self, job: Job) -> Request:
        bench, name = self.benchmark, Row.parse(job.row).method
        given, colour = bench.given(job.dataset)[name], bench.measuring(job.dataset)["colour"]
        if given is not None:
            return identity.take(given.name, colour)
        adapter = bench.adapter_name(job.dataset)
        return identity.take_published(
            name, colour, adapter_files(adapter), adapter_folder(adapter)
        )

    def spec(self, job: Job) -> MethodSpec:
        """Return the method behind the row of a job."""
        return self.benchmark.methods[Row.parse(job.row).method]

    def asked(self, *jobs: Job) -> str:
        """Return the argument `--asked` of a job that makes one or several results."""
        reads = {source: None for job in jobs for source in self.inputs(job)}
        parts = {"makes": jobs, "reads": reads}
        return as_json(
            {
                key: {str(job.record): identifier(self.request(job)) for job in part}
                for key, part in parts.items()
            }
        )

    def reason(self, job: Job) -> str:
        """Return why a job has to run; "" if its result is what is asked for.

        Raises:
            HarnessError: naming the file, if a record is damaged, or if a result is from before
                records stated an identity.
        """
        if job not in self._reasons:
            self._reasons[job] = self._reason(job)
        return self._reasons[job]

    def _reason(self, job: Job) -> str:
        for source in self.inputs(job):
            reason = self.reason(source)
            # Tiles that were deleted are made again with the same content.
            if reason and not (source.stage == "prepare" and reason.endswith(GONE)):
                return f"{source.record}{AGAIN}"
        if self.forced(job):
            return "you ask for it"
        if not job.record.is_file():
            return MISSING
        record = read_record(job.record)
        if record["status"] == "failed" and job.stage in RETRIED:
            return f"it failed: {record['reason']}"
        found = record.get("identity")
        if not found:
            return self._without_identity(job)
        wanted = self.request(job)
        if identifier(found["request"]) != identifier(wanted):
            return differences(found["request"], wanted) or "its request is written otherwise"
        return self._other_inputs(job, found["inputs"]) or _gone(job, record)

    def _other_inputs(self, job: Job, found: Mapping[str, str]) -> str:
        now = {str(s.record): content_of(read_record(s.record)) for s in self.inputs(job)}
        places = self._places(job)
        if places is not None:
            now[SOURCES] = Inventory(places, job.record.with_name(INVENTORY)).content()
        names = sorted(name for name in found.keys() | now if found.get(name) != now.get(name))
        return f"other inputs: {', '.join(names)}" if names else ""

    def _places(self, job: Job) -> list[Path] | None:
        """Return the user's folders that a result is made from; None if it has no such source."""
        if job.stage == "prepare":
            return source_places(self.benchmark.dataset_options(job.dataset))
        row = Row.parse(job.row) if job.stage == "fuse" else None
        if row is None or not row.given:
            return None
        given = self.benchmark.given(job.dataset)[row.method]
        return None if given is None else [Path(given.folder)]

    def _without_identity(self, job: Job) -> str:
        if job.stage not in KEPT:
            return "its record states no identity"
        raise HarnessError(
            f"{job.record}: states no identity, as it was made before records did; "
            "`segfanet-bench adopt` checks the results and writes their identities, or says why "
            "not; or delete this file to have the result made again"
        )


def _gone(job: Job, record: Mapping[str, Any]) -> str:
    names = [n for n in record["artefacts"] if not (job.record.parent / n).is_file()]
    return f"{', '.join(names)}{GONE}" if names else ""


def export_environment() -> None:
    """Let jobs find this python and our packages, also where no environment is activated."""
    # A job on another machine inherits this environment and parses the workflow again.
    os.environ.setdefault(USERS_PYTHONPATH, os.environ.get("PYTHONPATH", ""))
    for name, folder in (("PATH", Path(sys.executable).parent), ("PYTHONPATH", ROOT)):
        before = os.environ.get(name)
        os.environ[name] = os.pathsep.join([str(folder), *([before] if before else [])])


def gpus(device: str, *, elsewhere: bool) -> int:
    """GPUs that one job asks for.

    `auto` asks for one where a driver is loaded, so that other machines run jobs side by side;
    torch itself is too slow to import at every parse. Of machines elsewhere nothing is known
    here: there `auto` asks as well, since waiting for a GPU is better than training without.
    """
    here = Path("/dev/nvidiactl").exists()
    return int(device.startswith("cuda") or (device == "auto" and (elsewhere or here)))


def as_json(value: Mapping[str, Any]) -> str:
    """Return a value as one argument of a command line, in one stable spelling."""
    return as_argument(json.dumps(dict(value), sort_keys=True))


def as_argument(text: str) -> str:
    """Return JSON text as an argument, or `@FILE` if it is large; `harness.cli.json_text` reads it.

    A job's command is one argument of a shell, which the system limits to 128 KiB.
    """
    if len(text) <= LARGE:
        return text
    path = ARGUMENTS / f"{sha256_json(text)[:DIGITS]}.json"
    if not path.is_file():
        write_text(path, text)
    return f"@{path}"
