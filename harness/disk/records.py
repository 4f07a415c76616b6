"""The record beside every result: what ran, on which input, from which code, how it ended."""

import importlib.metadata
import os
import platform
import resource
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from harness.disk.files import read_json, sha256, sha256_json, write_json
from harness.disk.schema import ROOT
from harness.errors import HarnessError

SEAL = "record_sha256"
"""Key of a record's hash of itself: of everything else in it."""
VERSIONED = ("torch", "numpy", "scipy", "pandas", "scikit-image", "snakemake", "matplotlib")
"""Packages whose versions may change the measured numbers."""


@dataclass
class Record:
    """The record of one stage, until `write` stores it beside the stage's artefacts.

    config: the slice of the configuration that the stage received. details: what the stage
    measured about itself. status: `ok`, or `failed` for a `reason`. started: seconds since 1970.
    clock: the same moment on the monotonic clock, in seconds.
    """

    stage: str
    config: Mapping[str, Any]
    details: dict[str, Any] = field(default_factory=dict)
    status: str = "ok"
    reason: str = ""
    started: float = field(default_factory=time.time)
    clock: float = field(default_factory=time.monotonic)

    def fail(self, reason: str) -> None:
        """Mark the stage as failed for `reason`, which the report prints."""
        self.status, self.reason = "failed", reason

    def write(self, path: Path, artefacts: list[Path]) -> None:
        """Write the record atomically, with the SHA-256 of every artefact and of itself."""
        value = {
            "stage": self.stage,
            "status": self.status,
            "reason": self.reason,
            "config": dict(self.config),
            "config_sha256": sha256_json(dict(self.config)),
            "details": self.details,
            "artefacts": {artefact.name: sha256(artefact) for artefact in artefacts},
            "started": datetime.fromtimestamp(self.started, UTC).isoformat(timespec="seconds"),
            "wall_seconds": round(time.monotonic() - self.clock, 3),
            "peak_memory_mib": peak_memory_mib(),
            "git": git_state(),
            "packages": package_versions(),
            "machine": machine(),
        }
        write_json(path, {**value, SEAL: sha256_json(value)})


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
def git_state() -> dict[str, Any]:
    """Return the commit and whether tracked files differ from it; empty outside git."""
    try:
        commit = _git("rev-parse", "HEAD")
        return {"commit": commit, "dirty": bool(_git("status", "--porcelain", "-uno"))}
    except (OSError, subprocess.CalledProcessError):
        return {}


def _git(*arguments: str) -> str:
    run = subprocess.run(
        ["git", "-C", str(ROOT), *arguments], check=True, capture_output=True, text=True
    )
    return run.stdout.strip()


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
