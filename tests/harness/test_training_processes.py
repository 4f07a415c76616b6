"""Training in processes: several that train together, and one that is killed."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import torch

from harness.errors import HarnessError, MethodFailure
from harness.methods.checkpoints import load_checkpoint
from harness.training.job import TrainingJob, train
from tests.helpers.small_training import curve, job, write_blobs

OPTIONS = '{"width": 4, "pool": [4, 4, 4]}'


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return write_blobs(tmp_path_factory.mktemp("tiles"))


def test_two_processes_follow_the_loss_curve_of_one_with_the_whole_batch(store, tmp_path):
    """The first loss agrees to rounding, 1e-6; later ones to 1e-3.

    Sums are computed in another order. Where a gradient is zero except for rounding, as for the
    bias of CAM's keys, Adam amplifies the difference.
    """
    train(job(store, tmp_path / "one", steps=10))
    assert train(job(store, tmp_path / "two", steps=10, processes=2))["steps"] == 10
    one, two = (curve(tmp_path / name / "checkpoint.pt") for name in ("one", "two"))
    assert len(one) == 2
    assert one[-1] < 0.98 * one[0]
    np.testing.assert_allclose(two[0], one[0], rtol=1e-6)
    np.testing.assert_allclose(two, one, rtol=1e-3)


OUTSIDE = """\
import torch

from .layers import blend


class Method(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(0.1))

    def fuse(self, infrared, visible):
        return blend(self.weight, infrared, visible).clamp(0, 1)

    def training_loss(self, batch):
        fused = blend(self.weight, batch.infrared, batch.visible)
        return {"visible": (fused - batch.visible).square().mean()}
"""


def test_a_method_from_outside_trains_in_several_processes(store, tmp_path):
    folder = tmp_path / "outside" / "mixer"
    folder.mkdir(parents=True)
    recipe = "train: {steps: 6, batch: 4, learning_rate: 0.05}"
    text = f"name: mixer\ntitle: Mixer\nentry: model:Method\n{recipe}\n"
    (folder / "method.yaml").write_text(text)
    (folder / "model.py").write_text(OUTSIDE)
    (folder / "layers.py").write_text("def blend(w, a, b):\n    return (1 - w) * a + w * b\n")
    config = {"method": "mixer", "options": {}, "seed": 0, "device": "cpu", "threads": 1}
    weights = []
    for processes in (1, 2):
        recipe = {"steps": 6, "batch": 4, "learning_rate": 0.05, "processes": processes}
        output = tmp_path / str(processes) / "checkpoint.pt"
        outside = (folder.parent,)
        assert (
            train(TrainingJob({**config, "recipe": recipe}, store, output, outside))["steps"] == 6
        )
        weights.append(float(load_checkpoint(output)["model"]["weight"]))
    assert weights[0] > 0.2
    assert weights[1] == pytest.approx(weights[0], rel=1e-3)


def test_more_processes_than_gpus_are_refused(store, tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    wanted = job(store, tmp_path, device="auto", processes=2)
    with pytest.raises(HarnessError, match="`processes` is 2, but this job sees 1 GPU"):
        train(wanted)


def test_killing_one_process_ends_both_with_a_message_and_the_next_run_continues(
    store, tmp_path, capfd
):
    long = job(store, tmp_path, processes=2, steps=4000, checkpoint_seconds=0)
    pids = []

    def kill_one_child():
        while not long.partial.exists():
            time.sleep(0.05)
        pids.extend(child.pid for child in multiprocessing.active_children())
        os.kill(pids[-1], signal.SIGKILL)

    killer = threading.Thread(target=kill_one_child)
    killer.start()
    with pytest.raises(MethodFailure, match=r"process \d of 2 ended early.*run again to continue"):
        train(long)
    killer.join()
    assert len(pids) == 2
    assert not any(_alive(pid) for pid in pids)
    step = load_checkpoint(long.partial)["step"]
    assert 0 < step < 4000
    short = job(store, tmp_path, processes=2, steps=step + 2, checkpoint_seconds=0)
    _adopt(long, short)
    assert train(short)["steps"] == step + 2
    assert f"continuing from step {step} of {step + 2}" in capfd.readouterr().out


def _alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _adopt(long, short):
    """Let a shorter training continue from the checkpoint of the longer one."""
    state = load_checkpoint(long.partial)
    state["fingerprint"] = short.fingerprint()
    torch.save(state, short.partial)


def stage(store, folder, steps):
    command = [sys.executable, "-m", "harness.stages.train", "--tiles", str(store)]
    command += ["--method", "segfanet", "--options", OPTIONS, "--device", "cpu"]
    recipe = f'{{"steps": {steps}, "checkpoint_seconds": 0}}'
    return subprocess.Popen(
        [*command, "--recipe", recipe, "--output", str(folder / "checkpoint.pt")],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_killed_stage_continues_and_ends_with_the_same_bits(store, tmp_path):
    assert stage(store, tmp_path / "whole", 30).wait(timeout=120) == 0
    (tmp_path / "killed").mkdir()
    partial = tmp_path / "killed" / "partial.pt"
    first = stage(store, tmp_path / "killed", 30)
    while not partial.exists():
        assert first.poll() is None
        time.sleep(0.01)
    first.kill()
    first.wait()
    assert not (tmp_path / "killed" / "checkpoint.pt").exists()
    second = stage(store, tmp_path / "killed", 30)
    assert "continuing from step" in second.communicate(timeout=120)[0]
    whole, again = (load_checkpoint(tmp_path / n / "checkpoint.pt") for n in ("whole", "killed"))
    assert all(torch.equal(whole["model"][name], again["model"][name]) for name in whole["model"])
    assert [r["loss"] for r in whole["log"]] == [r["loss"] for r in again["log"]]
    assert not partial.exists()
