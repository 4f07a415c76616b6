"""The training engine has exact restarts, repeatable numbers and clear failures."""

import copy
import csv
import time
from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn

from harness.errors import HarnessError, MethodFailure
from harness.machine.device import make_deterministic
from harness.methods.checkpoints import load_checkpoint
from harness.methods.recipe import Recipe
from harness.training.batches import Batches
from harness.training.engine import Task, Training
from harness.training.log import write_log

TILES = np.random.default_rng(0).integers(0, 5, (5, 5, 44, 44), dtype=np.uint8)
NAMES = [f"tile{i}" for i in range(5)]


class Tiny(nn.Module):
    """A network of one convolution, with dropout so that the random state matters."""

    def __init__(self, poison_step=None):
        super().__init__()
        self.conv = nn.Conv2d(2, 1, 3, padding=1)
        self.calls, self.poison_step = 0, poison_step

    def training_loss(self, batch):
        if self.calls == self.poison_step:
            return {"good": self.conv.bias.sum(), "bad": self.conv.bias.sum() * float("nan")}
        self.calls += 1
        pair = nn.functional.dropout(torch.cat([batch.infrared, batch.visible], 1), 0.5)
        return {"error": (self.conv(pair) - batch.visible).abs().mean()}


def training(seed=0, fingerprint="same", steps=7, method=None):
    make_deterministic(seed, 1)
    recipe = Recipe(steps=steps, learning_rate=1e-2, checkpoint_seconds=0)
    device = torch.device("cpu")
    return Training(method or Tiny(), Task(recipe, TILES, NAMES, device, seed, fingerprint))


def weights(run):
    return {name: value.clone() for name, value in run.module.state_dict().items()}


def equal(a, b):
    return all(torch.equal(a[name], b[name]) for name in a)


class KilledError(Exception):
    pass


def run_and_die(run, path, step):
    """Stop at the beginning of a step, as a kill would; the last checkpoint remains."""
    advance = run.advance

    def mortal():
        if run.step == step:
            raise KilledError
        return advance()

    run.advance = mortal
    with pytest.raises(KilledError):
        run.run(path)


@pytest.mark.parametrize("step", [1, 3, 6])
def test_a_killed_run_ends_with_the_weights_of_an_uninterrupted_one(tmp_path, step):
    whole = training()
    whole.run(tmp_path / "none.pt")
    run_and_die(training(), tmp_path / "partial.pt", step)
    second = training()
    torch.manual_seed(99)
    second.run(tmp_path / "partial.pt")
    assert second.step == whole.step == 7
    assert equal(weights(second), weights(whole))
    assert [row["loss"] for row in second.log] == [row["loss"] for row in whole.log]


def finish(run, folder):
    run.run(folder / "partial.pt")
    run.save_selected(folder / "checkpoint.pt")
    return (folder / "checkpoint.pt").read_bytes()


@pytest.mark.parametrize("step", [1, 4, 6])
def test_equal_trainings_leave_equal_bytes_wherever_they_were_killed(tmp_path, monkeypatch, step):
    def network():
        layers = nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Conv2d(4, 1, 3, padding=1)
        method = Tiny()
        # Texts such as `step` stand in the log and in the optimiser, and are also named here.
        method.conv = nn.Sequential(OrderedDict(zip(("step", "log", "loss"), layers, strict=True)))
        return method.to(memory_format=torch.channels_last)

    folders = [tmp_path / name for name in ("whole", "again", "killed")]
    for folder in folders:
        folder.mkdir()
    make_deterministic(0, 1)
    first, *others = (copy.deepcopy(method) for method in [network()] * 4)
    whole = finish(training(method=first), folders[0])
    monkeypatch.setattr(time, "monotonic", lambda clock=time.monotonic: 1000 + 3 * clock())
    assert finish(training(method=others[0]), folders[1]) == whole
    run_and_die(training(method=others[1]), folders[2] / "partial.pt", step)
    assert finish(training(method=others[2]), folders[2]) == whole


@pytest.mark.parametrize(
    ("terms", "reason"),
    [
        ({"a": torch.ones(()), "b": torch.ones((), dtype=torch.complex64)}, "b is .*complex"),
        ({"bad": torch.ones((), dtype=torch.int64)}, "bad is torch.int64"),
        ({"bad": torch.ones(3)}, r"bad is torch.float32 \(3,\)"),
        ({"bad": 1.0}, "bad is .*float"),
        ({}, "training_loss returned {}"),
        (torch.ones(()), "training_loss returned tensor"),
    ],
    ids=["complex", "integer", "not scalar", "no tensor", "empty", "no dictionary"],
)
def test_loss_terms_are_real_scalars(tmp_path, terms, reason):
    method = Tiny()
    method.training_loss = lambda batch: terms
    with pytest.raises(MethodFailure, match=reason):
        training(method=method).run(tmp_path / "partial.pt")


def test_same_seed_repeats_and_another_differs(tmp_path):
    results = []
    for i, seed in enumerate((0, 0, 1)):
        run = training(seed)
        run.run(tmp_path / f"{i}.pt")
        results.append(weights(run))
    assert equal(results[0], results[1])
    assert not equal(results[0], results[2])


def test_checkpoint_of_other_settings_is_not_continued(tmp_path, capsys):
    run_and_die(training(fingerprint="other"), tmp_path / "partial.pt", 4)
    run = training()
    run.run(tmp_path / "partial.pt")
    assert "belongs to other settings; starting again" in capsys.readouterr().out
    whole = training()
    whole.run(tmp_path / "none.pt")
    assert equal(weights(run), weights(whole))


def test_damaged_checkpoint_is_not_used(tmp_path, capsys):
    path = tmp_path / "partial.pt"
    run_and_die(training(), path, 4)
    path.write_bytes(path.read_bytes()[:-100])
    training().run(path)
    assert "not a usable checkpoint" in capsys.readouterr().out


def test_pickled_code_in_a_checkpoint_is_refused(tmp_path):
    class Malicious:
        def __reduce__(self):
            return (open, (str(tmp_path / "owned"), "w"))

    torch.save({"model": Malicious()}, tmp_path / "bad.pt")
    with pytest.raises(HarnessError, match=r"bad\.pt: not a usable checkpoint"):
        load_checkpoint(tmp_path / "bad.pt")
    assert not (tmp_path / "owned").exists()


def test_loss_that_is_not_finite_stops_with_the_tiles(tmp_path):
    run = training(method=Tiny(poison_step=2))
    with pytest.raises(MethodFailure, match=r"training step 2: bad not finite on tiles tile\d"):
        run.run(tmp_path / "partial.pt")


def test_every_epoch_visits_each_tile_once_in_an_order_of_its_own():
    batches = Batches(TILES, 2, seed=4)
    assert batches.per_epoch == 3
    epochs = [
        np.concatenate([batches.indices(step) for step in range(3 * e, 3 * e + 3)])
        for e in range(4)
    ]
    assert all(sorted(epoch) == list(range(5)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1


def test_batch_holds_the_tiles_as_the_contract_says():
    batch = Batches(TILES, 2, seed=0).load(0, torch.device("cpu"))
    index = Batches(TILES, 2, seed=0).indices(0)
    assert batch.infrared.shape == batch.visible.shape == (2, 1, 44, 44)
    assert batch.label.dtype == torch.int64
    np.testing.assert_array_equal(batch.label.numpy(), TILES[index, 4])
    np.testing.assert_allclose(batch.infrared[:, 0].numpy() * 255, TILES[index, 3], atol=1e-4)


def test_epochs_count_a_last_smaller_batch():
    assert Recipe(epochs=3, batch=2).total_steps(5) == 9
    assert Recipe(epochs=50, batch=2).total_steps(17280) == 432000
    assert Recipe(epochs=3, steps=4).total_steps(5) == 4


def test_log_is_a_table(tmp_path):
    run = training(steps=3)
    run.run(tmp_path / "partial.pt")
    write_log(tmp_path / "log.csv", run.log)
    rows = list(csv.DictReader((tmp_path / "log.csv").open()))
    assert [row["step"] for row in rows] == ["1", "3"]
    assert set(rows[0]) == {"step", "error", "loss", "images_s"}
