"""The whole workflow, interrupted again and again, ends with the tables of an undisturbed run."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.helpers.faults import contents
from tests.helpers.project import copy_project, snakemake

pytestmark = pytest.mark.slow

PATIENCE = 120


def start(folder):
    """Start the workflow in a process group of its own, as a terminal does."""
    with (folder / "output.txt").open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", "tiny.yaml"],
            cwd=folder,
            env={**os.environ, "FUSION_METRICS_COMPILED": "0"},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def wait_for(process, path):
    """Wait until a job has made its log."""
    until = time.monotonic() + PATIENCE
    while not path.exists():
        assert process.poll() is None, "the workflow has ended before"
        assert time.monotonic() < until, f"{path} does not appear"
        time.sleep(0.05)


def results(folder):
    """Time of change of every finished result: those whose record is there."""
    records = (folder / "results").rglob("*.json")
    return {path: path.stat().st_mtime_ns for path in records if path.is_file()}


def test_interrupted_runs_end_with_the_same_tables(finished_workflow, tmp_path):
    folder = copy_project(tmp_path)
    kept = {}

    # The machine goes down while tiles are cut: nobody is there to clean up.
    run = start(folder)
    wait_for(run, folder / "logs/prepare/town.log")
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    locked = snakemake(folder)
    assert locked.returncode != 0
    assert "cannot be locked" in locked.stdout
    assert snakemake(folder, "--unlock").returncode == 0

    # Ctrl-C in the terminal reaches every process of the group.
    run = start(folder)
    wait_for(run, folder / "logs/train/town.segfanet.seed0.log")
    time.sleep(0.5)
    kept.update(results(folder))
    os.killpg(run.pid, signal.SIGINT)
    assert run.wait(PATIENCE) != 0

    # A cluster ends the main process politely.
    run = start(folder)
    wait_for(run, folder / "logs/fuse/town.segfanet.seed0.log")
    time.sleep(0.5)
    kept.update(results(folder))
    run.send_signal(signal.SIGTERM)
    assert run.wait(PATIENCE) != 0
    assert "Traceback" not in (folder / "output.txt").read_text()

    # Two runs in one folder: the second is refused, the first goes on.
    run = start(folder)
    wait_for(run, folder / "logs/measure/town.segfanet.seed0.log")
    second = snakemake(folder)
    assert second.returncode != 0
    assert "cannot be locked" in second.stdout
    assert run.wait(PATIENCE) == 0, (folder / "output.txt").read_text()[-3000:]

    assert contents(folder) == contents(finished_workflow)
    assert kept, "something was finished before an interruption"
    # Snakemake touches what a job has made right after; making it again takes far longer.
    again = [path for path, made in kept.items() if path.stat().st_mtime_ns - made > 500_000_000]
    assert not again
    assert "Nothing to be done" in snakemake(folder).stdout
