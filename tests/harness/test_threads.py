"""A job uses only as many threads as its command line allows, even without other settings."""

import json
import os
import subprocess
import sys

import pytest

from harness.machine.device import THREAD_VARIABLES
from metrics.registry import METRICS
from tests.helpers.project import ROOT
from tests.helpers.town import small_town

METHOD = "--tiles tiles --device cpu --method segfanet --options {'width':8,'pool':[8,8,8]}"
STAGES = {
    "prepare": "--adapter tiles --size 192 --stride 192 --output tiles",
    "train": f"{METHOD} --recipe {{'steps':2,'batch':2}} --output run/checkpoint.pt",
    "fuse": f"{METHOD} --checkpoint run/checkpoint.pt --output run/fused.npy",
    "measure": "--tiles tiles --fused run/fused.npy --dataset town --method segfanet --seed 0"
    f" --metrics {' '.join(METRICS)} --output run/scores.csv",
}
"""Command line of each stage, in the order of the workflow."""

MEASURED = """\
import importlib, json, sys, time
from pathlib import Path

def seconds():
    tasks = Path("/proc/self/task").iterdir()
    return {task.name: int((task / "schedstat").read_text().split()[0]) / 1e9 for task in tasks}

stage = importlib.import_module(f"harness.stages.{sys.argv[1]}")
sys.argv[1:] = sys.argv[2:]
before, cpu, wall = seconds(), time.process_time(), time.perf_counter()
stage.main()
cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
alive = sorted(after - before.get(task, 0) for task, after in seconds().items())
print(json.dumps({"wall": wall, "cpu": cpu, "alive": alive[::-1]}))
"""
"""Prints wall seconds, CPU seconds, and CPU seconds per thread that is alive at the end."""

# CPU seconds allowed for threads that libraries start on loading, and that then only wait.
WAKING = 0.15


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Run all stages one after another with one thread; return the seconds that each used."""
    environment = {
        **{key: value for key, value in os.environ.items() if key not in THREAD_VARIABLES},
        "PYTHONPATH": str(ROOT),
        # The time to compile the metrics' kernel would count as measuring.
        "FUSION_METRICS_COMPILED": "0",
    }
    folder = tmp_path_factory.mktemp("threads")
    (folder / "run").mkdir()
    used = {}
    for stage, arguments in STAGES.items():
        words = arguments.replace("'", '"').split()
        if stage == "prepare":
            words += ["--options", json.dumps(small_town(384))]
        bound = ["--jobs" if stage == "prepare" else "--threads", "1"]
        run = subprocess.run(
            [sys.executable, "-c", MEASURED, stage, *words, *bound],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stderr[-2000:]
        used[stage] = json.loads(run.stdout.splitlines()[-1])
    return used


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one core hides how many threads want it")
@pytest.mark.parametrize("stage", STAGES)
def test_one_thread_uses_one_core(finished, stage):
    used = finished[stage]
    assert used["cpu"] <= 1.1 * used["wall"] + WAKING, used
    # If the other cores were busy, only the seconds per thread show additional threads.
    assert sum(used["alive"][1:]) <= WAKING, used
