"""Disks that are full or read-only, and files that killed processes leave behind."""

import json
import os
import platform
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest

from harness.disk.files import atomic_path, sha256, write_json, write_text
from harness.disk.records import read_record
from harness.disk.schema import ROOT
from harness.errors import HarnessError, StorageError
from harness.fetching.source import ExternalFile, fetch
from tests.helpers.faults import (
    AVERAGE,
    NOBODY,
    STAGES,
    TOWN,
    contents,
    copy_of,
    forked,
    fuse_arguments,
    import_needs_of,
    limit_file_size,
    litter,
    measure_arguments,
    stage,
)

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="needs root to change user or mount")


# Stage, file size in bytes at which the disk is full, file that is being written then.
FULL = {
    "tiles": ("prepare", 30_000, "train.npy"),
    "checkpoint": ("train", 20_000, "partial.pt"),
    "fused stack": ("fuse", 5_000, "fused.npy"),
    "scores": ("measure", 300, "scores.csv"),
    "record": ("measure", 700, "scores.json"),
    "table": ("tables", 100, "csv"),
    "losses": ("learning", 100, "held_out.csv"),
    "learned": ("learning", 300, "learned.json"),
    "features": ("features", 2_000, "features.npz"),
    "audit": ("audit", 50, "audit.csv"),
    "page": ("report", 60_000, ""),
}


@pytest.mark.parametrize("what", FULL)
def test_full_disk_ends_the_stage_and_keeps_what_was_there(finished, tmp_path, what):
    name, size, file = FULL[what]
    folder = copy_of(finished, tmp_path)
    before = contents(folder)
    ended = stage(name, folder, before=limit_file_size(size))
    assert ended.status == 1, ended.output
    assert "the disk is full" in ended.output
    assert file in ended.output
    assert "Traceback" not in ended.output
    assert not litter(folder)
    kept = contents(folder)
    assert all(kept[key] == value for key, value in before.items())
    again = stage(name, folder)
    assert again.status == 0, again.output
    assert contents(folder) == before


@needs_root
def test_real_full_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("this machine does not allow mounting a file system")
    try:
        write_text(disk / "old.txt", "old")
        with pytest.raises(StorageError, match=r"big\.txt: the disk is full"):
            write_text(disk / "big.txt", "x" * 200_000)
        with (
            pytest.raises(StorageError, match=r"big\.npy: the disk is full"),
            atomic_path(disk / "big.npy") as temporary,
            temporary.open("wb") as stream,
        ):
            np.save(stream, np.zeros(200_000, np.uint8))
        with pytest.raises(StorageError, match=r"old\.txt: the disk is full"):
            write_json(disk / "old.txt", "y" * 200_000)
        assert [path.name for path in disk.iterdir()] == ["old.txt"]
        assert (disk / "old.txt").read_text() == "old"
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def as_nobody(folder, name, arguments=None):
    """Run a stage without the right to write below `folder`."""
    import_needs_of(name, folder, arguments)
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        return stage(name, folder, arguments, user=NOBODY)
    finally:
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)


@needs_root
@pytest.mark.parametrize("name", ["prepare", "measure", "tables", "complete"])
def test_read_only_results(finished, public, name):
    folder = copy_of(finished, public)
    before = contents(folder)
    ended = as_nobody(folder, name)
    assert ended.status == 1
    assert "error: " in ended.output
    assert "Permission denied" in ended.output
    assert "Traceback" not in ended.output
    assert contents(folder) == before


@needs_root
@pytest.mark.parametrize("known", [True, False])
def test_read_only_cache_serves_what_it_holds(public, known):
    cache = public / "cache"
    cache.mkdir()
    (cache / "data.bin").write_bytes(b"data")
    source = ExternalFile("data.bin", sha256=sha256(cache / "data.bin") if known else "")
    cache.chmod(0o555)

    def ask():
        try:
            print(fetch(source, cache=cache))
        except HarnessError as error:
            sys.exit(f"error: {error}")

    ended = forked(ask, public, user=NOBODY)
    if known:
        assert ended.status == 0, ended.output
        assert "data.bin" in ended.output
    else:
        assert "sources.lock.json" in ended.output
        assert "Permission denied" in ended.output
        assert "Traceback" not in ended.output


@needs_root
def test_read_only_cache_names_what_is_missing(public):
    cache = public / "cache"
    cache.mkdir(mode=0o555)

    def ask():
        try:
            fetch(ExternalFile("data.zip", urls=("http://127.0.0.1:9/data.zip",)), cache=cache)
        except HarnessError as error:
            sys.exit(f"error: {error}")

    ended = forked(ask, public, user=NOBODY)
    assert "cannot be written to" in ended.output
    assert "Traceback" not in ended.output


def temporary_of(path, process):
    return path.with_name(f".{path.name}.{platform.node()}.{process}.tmp")


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path):
    path = tmp_path / "result.txt"
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    process.wait()
    temporary_of(path, process.pid).write_text("half")
    write_text(path, "whole")
    assert [item.name for item in tmp_path.iterdir()] == ["result.txt"]


def test_what_a_living_process_writes_is_left_alone(tmp_path):
    path = tmp_path / "result.txt"
    temporary_of(path, os.getppid()).write_text("half")
    other = tmp_path / ".result.txt.another-machine.1.tmp"
    other.write_text("half")
    write_text(path, "whole")
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("step", [-86400.0, 86400.0, -1e9])
def test_clock_that_jumps_changes_no_result(finished, tmp_path, step):
    folder = copy_of(finished, tmp_path)
    before = contents(folder)
    clock = time.time

    def jumping():
        calls = []

        def jump():
            calls.append(1)
            return clock() + step * len(calls)

        time.time = jump

    arguments = fuse_arguments("average", AVERAGE)
    assert stage("fuse", folder, arguments, before=jumping).status == 0
    assert (
        stage("measure", folder, measure_arguments("average", AVERAGE), before=jumping).status == 0
    )
    assert contents(folder) == before
    for record in ("fused.json", "scores.json"):
        assert 0 <= read_record(folder / AVERAGE / record)["wall_seconds"] < 60


def test_files_from_the_future_are_read_as_any(finished, tmp_path):
    folder = copy_of(finished, tmp_path)
    before = contents(folder)
    later = time.time() + 10 * 365 * 86400
    for path in (folder / TOWN).rglob("*"):
        os.utime(path, (later, later))
    for name in STAGES:
        if name not in ("prepare", "train", "report"):
            assert stage(name, folder).status == 0, name
    assert contents(folder) == before


def test_tiles_are_not_put_among_the_images_that_they_are_cut_from(tmp_path):
    data = tmp_path / "data"
    shutil.copytree(ROOT / "harness/datasets/synthetic_urban/rgb", data / "rgb")
    shutil.copytree(ROOT / "harness/datasets/synthetic_urban/ir", data / "ir")
    for folder in ("rgb", "ir"):
        shutil.copy(data / folder / "test_00.png", data / folder / "contact_sheet.png")
    before = (data / "rgb" / "contact_sheet.png").read_bytes()
    options = json.dumps({"root": str(data)})
    for output in (data / "rgb", data / "ir" / ".." / "rgb"):
        arguments = ["--adapter", "tiles", "--options", options, "--output", str(output)]
        ended = stage("prepare", tmp_path, arguments)
        assert ended.status == 1
        assert "would be overwritten; name another output" in ended.output
    assert (data / "rgb" / "contact_sheet.png").read_bytes() == before
    assert len(list((data / "rgb").iterdir())) == 5


def test_a_download_is_not_put_into_a_mirror(tmp_path):
    wanted = ExternalFile("a.zip", ("http://127.0.0.1:9/a.zip",), sha256="0" * 64)
    mirror = tmp_path / "cache" / ("0" * 16)
    mirror.mkdir(parents=True)
    with pytest.raises(HarnessError, match="name another output"):
        fetch(wanted, cache=tmp_path / "cache", mirrors=[mirror])
    assert not list(mirror.iterdir())
