"""Fault injection: stages in forked processes, signals at chosen moments, damaged files."""

import json
import os
import resource
import shutil
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from importlib.abc import MetaPathFinder
from pathlib import Path
from runpy import run_module

import pytest
import yaml

from harness.benchmark import Benchmark
from harness.cli import run
from harness.disk.records import read_record
from reports.plan import plan_of
from tests.helpers.project import tiny_config

NOBODY = 65534
LONGEST_SECONDS = 600
"""No stage of a test takes nearly as long, also on a machine that is busy with others."""
CONFIG = yaml.safe_load(tiny_config())
TOWN = Path("results/town")
SEGFANET, AVERAGE = TOWN / "segfanet/seed0", TOWN / "average/seed0"
STRETCHED = TOWN / "average+minmax_rgb_batch2/seed0"


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit code (negative for a signal) and everything it printed."""

    status: int
    output: str


def forked(function, folder, *, user=None):
    """Call `function` in a fork of this process, in `folder`; an exception gives status 1."""
    log = Path(folder, ".forked.log")
    sys.stdout.flush()
    sys.stderr.flush()
    process = os.fork()
    if process == 0:
        status = 1
        try:
            stream = log.open("wb", buffering=0)
            for number in (1, 2):
                os.dup2(stream.fileno(), number)
            sys.stdout = sys.stderr = os.fdopen(1, "w", buffering=1, closefd=False)
            os.chdir(folder)
            if user is not None:
                os.setgroups([])
                os.setgid(user)
                os.setuid(user)
            function()
            status = 0
        except SystemExit as ending:
            if isinstance(ending.code, str):
                print(ending.code)
            status = ending.code if isinstance(ending.code, int) else 1
        except KeyboardInterrupt:
            status = 130
        except BaseException as error:
            print(f"Traceback: {error!r}")
        finally:
            os._exit(status)
    code = _ending(process)
    output = log.read_text(errors="replace")
    log.unlink()
    return Ended(os.waitstatus_to_exitcode(code), output)


def _ending(process):
    """Wait for a fork and return its code; one that hangs or stays suspended fails its test."""
    until = time.monotonic() + LONGEST_SECONDS
    while True:
        ended, code = os.waitpid(process, os.WNOHANG)
        if ended:
            return code
        if time.monotonic() > until:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            pytest.fail(f"a forked stage did not end within {LONGEST_SECONDS} s")
        time.sleep(0.01)


def stage(name, folder, arguments=None, *, before=None, user=None):
    """Run one stage in a fork of this process; `before` injects a fault there."""
    module, standard, _ = STAGES[name]
    # Import before the fork, because every fork would load torch again.
    main = getattr(import_module(module), "main", None)
    import_module("harness.fusing.execution")

    def call():
        sys.argv = [module, *(standard if arguments is None else arguments)]
        # A process of the workflow has this handler, but pytest replaces it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if before is not None:
            before()
        if main is not None:
            run(main)
        else:
            run_module(module, run_name="__main__", alter_sys=True)

    return forked(call, folder, user=user)


def import_needs_of(name, folder, arguments=None):
    """Import here whatever a stage imports, because another user may not be able to read it."""
    rehearsal, names = folder.with_name("rehearsal"), folder.with_name("imported.txt")
    shutil.copytree(folder, rehearsal, symlinks=True)
    ended = stage(name, rehearsal, arguments, before=lambda: sys.meta_path.insert(0, _Noted(names)))
    assert ended.status == 0, ended.output
    for needed in names.read_text().split() if names.exists() else ():
        with suppress(ImportError):
            import_module(needed)


class _Noted(MetaPathFinder):
    """A finder that finds nothing; it writes down what is asked for."""

    def __init__(self, file):
        self.file = file

    def find_spec(self, fullname, path, target=None):
        with self.file.open("a") as stream:
            stream.write(f"{fullname}\n")


def _common(method, options=None):
    return [
        *("--tiles", str(TOWN / "tiles"), "--method", method, "--seed", "0", "--device", "cpu"),
        *("--options", json.dumps(options or {})),
    ]


BENCHMARK = Benchmark(CONFIG)
NETWORK = dict(BENCHMARK.methods["segfanet"].options)
RECIPE = json.dumps({**BENCHMARK.methods["segfanet"].train, "checkpoint_seconds": 0})
PLAN = json.dumps(plan_of(BENCHMARK))
CHECKPOINT = ["--checkpoint", str(SEGFANET / "checkpoint.pt")]


def fuse_arguments(method, folder, *more, options=None):
    """Return arguments of the fuse stage."""
    return [*_common(method, options), *more, "--output", str(folder / "fused.npy")]


def measure_arguments(row, folder):
    """Return arguments of the measure stage."""
    names = ["--dataset", "town", "--method", row, "--seed", "0", "--tiles", str(TOWN / "tiles")]
    metrics = ["--metrics", *BENCHMARK.metrics("town")]
    return [*names, *metrics, "--fused", f"{folder}/fused.npy", "--output", f"{folder}/scores.csv"]


def _report(output):
    return ["--plan", PLAN, "--output", str(output)]


STAGES = {
    "prepare": (
        "harness.stages.prepare",
        [
            *("--adapter", "tiles", "--size", "48", "--stride", "48"),
            *("--options", json.dumps(BENCHMARK.dataset_options("town"))),
            *("--output", str(TOWN / "tiles")),
        ],
        [TOWN / "tiles"],
    ),
    "train": (
        "harness.stages.train",
        [
            *_common("segfanet", NETWORK),
            *("--recipe", RECIPE, "--output", str(SEGFANET / "checkpoint.pt")),
        ],
        [SEGFANET / name for name in ("checkpoint.pt", "training.json", "training_log.csv")],
    ),
    "fuse": (
        "harness.stages.fuse",
        fuse_arguments("segfanet", SEGFANET, *CHECKPOINT, options=NETWORK),
        [SEGFANET / "fused.npy", SEGFANET / "fused.json"],
    ),
    "measure": (
        "harness.stages.measure",
        measure_arguments("segfanet", SEGFANET),
        [SEGFANET / "scores.csv", SEGFANET / "scores.json"],
    ),
    "learning": (
        "harness.stages.learning",
        [
            *_common("segfanet", NETWORK),
            *(*CHECKPOINT, "--fused", str(SEGFANET / "fused.npy")),
            *("--output", str(SEGFANET / "held_out.csv")),
        ],
        [SEGFANET / name for name in ("held_out.csv", "learned.json", "learning.json")],
    ),
    "tables": ("reports.stages.tables", _report("results/tables"), [Path("results/tables")]),
    "examples": ("reports.stages.examples", _report("results"), [TOWN / "examples.json"]),
    "features": (
        "harness.stages.features",
        [
            *_common("segfanet", NETWORK),
            *(*CHECKPOINT, "--examples", str(TOWN / "examples.json")),
            *("--output", str(SEGFANET / "features.npz")),
        ],
        [SEGFANET / "features.npz", SEGFANET / "features.json"],
    ),
    "audit": ("reports.stages.audit", _report(TOWN / "audit.csv"), [TOWN / "audit.csv"]),
    "report": (
        "reports.stages.report",
        _report("results/report/index.html"),
        [Path("results/report")],
    ),
    "complete": (
        "reports.stages.complete",
        _report("results/report/complete.txt"),
        [Path("results/report/complete.txt")],
    ),
}
"""Module, arguments and outputs of each stage by its name, in the order of the workflow."""


def whole_run(folder):
    """Run all stages one after another, as the workflow does with the tiny configuration."""
    os.environ["FUSION_METRICS_COMPILED"] = "0"
    for name in STAGES:
        assert (ended := stage(name, folder)).status == 0, (name, ended.output)
        if name in ("fuse", "measure"):
            for row, place, more in (
                ("average", AVERAGE, ()),
                (STRETCHED.parent.name, STRETCHED, ("--stretch", "minmax_rgb_batch2")),
            ):
                arguments = (
                    fuse_arguments("average", place, *more)
                    if name == "fuse"
                    else [*measure_arguments(row, place), *more]
                )
                assert (ended := stage(name, folder, arguments)).status == 0, ended.output


def copy_of(finished, folder):
    """Return a copy of a finished run that a test may damage."""
    shutil.copytree(finished, folder / "run", symlinks=True)
    return folder / "run"


def contents(folder):
    """Return the bytes of all files that a repetition must reproduce: no records, times or page."""
    found = {}
    for path in sorted(Path(folder, "results").rglob("*")):
        name = str(path.relative_to(folder))
        timed = ("training_log.csv", "checkpoint.pt", "index.html")
        record = path.suffix == ".json" and is_record(path)
        if path.is_file() and not record and not name.endswith(timed) and "/figures/" not in name:
            found[name] = path.read_bytes()
    return found


def is_record(path):
    """Return whether a JSON file is a record of a stage; fail if such a record is damaged."""
    value = json.loads(path.read_text())
    if not isinstance(value, dict) or "record_sha256" not in value:
        return False
    read_record(path)
    return True


def litter(folder):
    """Return the temporary files below a folder."""
    return [str(path.relative_to(folder)) for path in Path(folder).rglob(".*.tmp")]


def kill_at_replacement(number, count=1):
    """Kill the stage with a signal just before its `count`-th file gets its final name."""
    process, replace, done = os.getpid(), os.replace, []

    def dying(source, target):
        done.append(target)
        if len(done) == count:
            os.kill(process, number)
            time.sleep(60)
        replace(source, target)

    def inject():
        nonlocal process
        process = os.getpid()
        os.replace = dying

    return inject


def limit_file_size(size):
    """Limit every file to `size` bytes, as a full disk does."""

    def inject():
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    return inject


def truncate(path):
    """Remove the last eighth of a file, and more than a final line break."""
    path.write_bytes(path.read_bytes()[: -max(path.stat().st_size // 8, 2)])


def flip(path):
    """Change one bit in the middle of a file; keep its size and times."""
    times = path.stat()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def empty(path):
    """Leave a file empty, as a crash of the machine can."""
    path.write_bytes(b"")


def remove(path):
    """Delete a file."""
    path.unlink()
