"""Each process gets its own GPU. The ids are invented; the processes are real."""

import os
import signal
import subprocess
import sys
import tempfile

import pytest

from harness.machine import gpu_slots
from harness.machine.device import choose_device
from tests.helpers.project import ROOT

HOLD = "from harness.machine.gpu_slots import claim_gpu; print(claim_gpu(), flush=True); input()"


@pytest.fixture
def start(tmp_path):
    """Start processes that print the id of their GPU and keep it until they end."""
    started = []

    def begin(visible, **extra):
        environment = {**os.environ, "TMPDIR": str(tmp_path), "CUDA_VISIBLE_DEVICES": visible}
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD],
            cwd=ROOT,
            env=environment | extra,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def answer(process):
    return process.stdout.readline().strip()


def test_each_process_gets_its_own_and_a_killed_one_gives_it_back(start):
    holders = [start("3,5") for _ in range(2)]
    taken = [answer(process) for process in holders]
    assert sorted(taken) == ["3", "5"]
    third = start("3,5")
    assert answer(third) == "waiting for one of the GPUs 3, 5"
    holders[0].send_signal(signal.SIGKILL)
    assert answer(third) == taken[0]


def test_a_process_that_ends_gives_its_gpu_back(start):
    first = start("3,5")
    taken = answer(first)
    first.communicate("\n", timeout=20)
    assert answer(start("3,5")) == taken


def test_many_processes_never_share(start):
    pool = ",".join(f"GPU-{letter}" for letter in "abcdef")
    assert len({answer(process) for process in [start(pool) for _ in range(6)]}) == 6


@pytest.mark.parametrize("visible", ["1", ""])
def test_where_there_is_no_choice_nothing_is_taken(start, visible):
    processes = [start(visible) for _ in range(2)]
    assert [answer(process) for process in processes] == ["None", "None"]


def test_jobs_of_a_scheduler_number_their_gpus_themselves(start):
    jobs = [start("0,1", SLURM_JOB_ID=job) for job in ("7", "8")]
    assert [answer(process) for process in jobs] == ["0", "0"]


@pytest.mark.parametrize(("device", "left"), [("auto", "3"), ("cpu", "3,5")])
def test_stages_claim_when_they_choose_their_device(monkeypatch, tmp_path, device, left):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(gpu_slots, "_held", [])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    choose_device(device)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == left
