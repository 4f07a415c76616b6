"""The record beside every result: what ran, on which input, from which code, how it ended."""

import importlib.metadata
import os
import platform
import resource
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from harness.disk.files import read_json, sha256, sha256_json, write_json
from harness.disk.identity import Request, content_of, described, differences, identifier
from harness.disk.schema import ROOT
from harness.errors import HarnessError
from metrics.texts import printable

SOURCES = "sources"
"""Input that is no record: the user's own files."""
SEAL = "record_sha256"
"""Key of a record's hash of itself: of everything else in it."""
CODE = ("harness", "segfanet", "baselines", "metrics", "reports", "workflow", "Snakefile")
"""Our code in the repository: a new file there belongs to no commit."""
VERSIONED = ("torch", "numpy", "scipy", "pandas", "scikit-image", "snakemake", "matplotlib")
"""Packages whose versions may change the measured numbers."""


@cache
def git_state(root: Path) -> dict[str, Any]:
    """Return the commit of our code and whether files differ from it; empty if it is unknown.

    It is unknown where no repository begins at `root`, such as in an unpacked archive, which may
    lie inside a repository of something else, and where that repository does not hold our code.
    Changes of tracked files make a state dirty, and so do new files among our code.
    """
    try:
        _git(root, "ls-files", "--error-unmatch", "harness/disk/records.py")
        if Path(_git(root, "rev-parse", "--show-toplevel")).resolve() != root.resolve():
            return {}
        commit = _git(root, "rev-parse", "HEAD")
        changed = _git(root, "status", "--porcelain", "-uno")
        new = _git(root, "ls-files", "--others", "--exclude-standard", "--", *CODE)
    except (OSError, subprocess.CalledProcessError):
        return {}
    return {"commit": commit, "dirty": bool(changed or new)}


def _git(root: Path, *arguments: str) -> str:
    # Inside a hook of git, the environment names a repository, which may be another one.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    run = subprocess.run(
        ["git", "-C", str(root), *arguments],
        check=True,
        capture_output=True,
        text=True,
        env=environment,
    )
    return run.stdout.strip()


@dataclass(frozen=True)
class Asked:
    """The identities that the workflow asks of one job, by the path of the record.

    makes: of the records that the job writes. reads: of those that it reads. A job that is run
    by hand is asked for nothing: it states its identity without any comparison.
    """

    makes: Mapping[str, str] = field(default_factory=dict)
    reads: Mapping[str, str] = field(default_factory=dict)


class Claim:
    """The identity of one result, stated when its job starts and again when the job ends.

    Args:
        path: where the record will lie.
        asked: the identities that the workflow asks for.
        request: states what the result depends on, but its inputs.
        sources: names the content of a user's own files that the job reads; None reads none.

    Raises:
        HarnessError: naming both identities, if the job would make something else than it was
            asked for, or one of its inputs is something else.
    """

    def __init__(
        self,
        path: Path,
        asked: Asked,
        request: Callable[[], Request],
        sources: Callable[[], str] | None = None,
    ) -> None:
        self.path, self.asked, self.request, self.sources = path, asked, request, sources
        self.identity = self._state()
        wanted, found = asked.makes.get(str(path)), self.identity["request"]
        if wanted not in (None, identifier(found)):
            raise HarnessError(
                f"{path}: this job makes {described(found)}, but {wanted} was asked for: code, "
                "weights or configuration changed after the run was planned; run it again"
            )

    def _state(self) -> dict[str, Any]:
        inputs = {
            path: content_of(read_asked(Path(path), wanted))
            for path, wanted in self.asked.reads.items()
        }
        if self.sources is not None:
            inputs[SOURCES] = self.sources()
        return {"request": self.request(), "inputs": inputs}

    def kept(self) -> dict[str, Any]:
        """Return the identity.

        Raises:
            HarnessError: naming what changed since the job started.
        """
        now = self._state()
        if now != self.identity:
            changed = differences(self.identity["request"], now["request"])
            inputs = differences(self.identity["inputs"], now["inputs"])
            raise HarnessError(
                f"{self.path}: changed while the job ran: {changed or inputs}; the result belongs "
                "to neither state and is not kept; run again"
            )
        return self.identity


@dataclass
class Record:
    """The record of one stage, until `write` stores it beside the stage's artefacts.

    config: the slice of the configuration that the stage received. details: what the stage
    measured about itself. status: `ok`, or `failed` for a `reason`. started: seconds since 1970.
    clock: the same moment on the monotonic clock, in seconds. claim: what the result belongs to.
    git: our commit at the start.
    """

    stage: str
    config: Mapping[str, Any]
    details: dict[str, Any] = field(default_factory=dict)
    status: str = "ok"
    reason: str = ""
    claim: Claim | None = None
    started: float = field(default_factory=time.time)
    clock: float = field(default_factory=time.monotonic)
    git: Mapping[str, Any] = field(default_factory=lambda: git_state(ROOT))

    def fail(self, reason: str) -> None:
        """Mark the stage as failed for `reason`, which the report prints."""
        self.status, self.reason = "failed", printable(reason)

    def write(self, path: Path, artefacts: list[Path]) -> None:
        """Write the record atomically, with the SHA-256 of every artefact and of itself."""
        value = {
            "stage": self.stage,
            "status": self.status,
            "reason": self.reason,
            "config": dict(self.config),
            "config_sha256": sha256_json(dict(self.config)),
            "identity": self._identity(),
            "details": self.details,
            "artefacts": {os.path.relpath(a, path.parent): sha256(a) for a in artefacts},
            "started": datetime.fromtimestamp(self.started, UTC).isoformat(timespec="seconds"),
            "wall_seconds": round(time.monotonic() - self.clock, 3),
            "peak_memory_mib": peak_memory_mib(),
            "git": dict(self.git),
            "packages": package_versions(),
            "machine": machine(),
        }
        write_json(path, sealed(value))

    def _identity(self) -> dict[str, Any] | None:
        # A failed job is tried again in any case, and its method may have broken its inputs.
        if self.claim is None:
            return None
        return self.claim.identity if self.status == "failed" else self.claim.kept()


def peak_memory_mib() -> float:
    """Return the largest resident set of this process and its ended children, in MiB."""
    unit = 1024 if platform.system() == "Linux" else 1024**2
    own, ended = (
        resource.getrusage(who).ru_maxrss / unit
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    with suppress(OSError, IndexError, ValueError):
        # Preferred where it exists: `getrusage` starts at the peak of the parent process.
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        own = int(status.split("VmHWM:")[1].split()[0]) / 1024
    return round(max(own, ended), 1)


@cache
def package_versions() -> dict[str, str]:
    """Return the installed versions of Python and of the packages in `VERSIONED`."""
    versions = {"python": platform.python_version()}
    for name in VERSIONED:
        with suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions


@cache
def machine() -> dict[str, Any]:
    """Return the processor model, number of cores, memory and operating system."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
    }


def _cpu_model() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor()


def sealed(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of a record with the hash of itself."""
    return {**value, SEAL: sha256_json(dict(value))}


def read_record(path: Path) -> dict[str, Any]:
    """Read a record that `Record.write` wrote.

    Raises:
        HarnessError: naming the file, if it is missing, damaged, edited, or not a record.
    """
    record = read_json(path)
    if not isinstance(record, dict) or not isinstance(record.get("artefacts"), dict):
        raise HarnessError(f"{path}: not a provenance record; delete it and rerun")
    content = {key: value for key, value in record.items() if key != SEAL}
    if sha256_json(content) != record.get(SEAL):
        raise HarnessError(f"{path}: the record is damaged or was edited; delete it and rerun")
    return record


def read_asked(path: Path, asked: str) -> dict[str, Any]:
    """Read the record of a result that was asked for, and that still belongs to its inputs.

    Raises:
        HarnessError: naming the file and both identities, if it is another result; or as
            `read_record`.
    """
    record = _known_record(path)
    identity = record.get("identity") or {"request": {}, "inputs": {}}
    if identifier(identity["request"]) != asked:
        raise HarnessError(
            f"{path}: belongs to {described(identity['request'])}, but {asked} was asked for; "
            "run the workflow again, which makes what is out of date"
        )
    _check_inputs(path, record)
    return record


def _check_inputs(path: Path, record: Mapping[str, Any]) -> None:
    """Refuse a record if what it was made from is no longer there, at any distance."""
    for name, content in (record.get("identity") or {"inputs": {}})["inputs"].items():
        if name == SOURCES:
            continue
        source = _known_record(Path(name))
        if content_of(source) != content:
            raise HarnessError(
                f"{path}: was made from {content}, but {name} is {content_of(source)}; "
                "run the workflow again, which makes what is out of date"
            )
        _check_inputs(Path(name), source)


def _known_record(path: Path) -> dict[str, Any]:
    """Read a record once per process, unless it changes."""
    status = path.stat() if path.is_file() else None
    return _cached_record(path.absolute(), status and (status.st_ino, status.st_mtime_ns))


@cache
def _cached_record(path: Path, state: tuple[int, int] | None) -> dict[str, Any]:
    return read_record(path)


def check_artefact(record: Mapping[str, Any], path: Path) -> None:
    """Refuse an artefact whose bytes differ from those that its record describes.

    Raises:
        HarnessError: naming the file, if it is missing or its SHA-256 differs.
    """
    if not path.is_file():
        raise HarnessError(f"{path}: missing; delete its record and rerun")
    stat = path.stat()
    found = _known_sha256(path.resolve(), stat.st_ino, stat.st_size, stat.st_mtime_ns)
    if found != record["artefacts"].get(path.name):
        raise HarnessError(
            f"{path}: content differs from its record (damaged or edited); delete it and rerun"
        )


@cache
def _known_sha256(path: Path, inode: int, size: int, modified: int) -> str:
    """Hash a file once per process, unless its size, date or inode changes."""
    return sha256(path)
