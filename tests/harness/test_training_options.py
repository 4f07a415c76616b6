"""Options of a recipe: precision, schedule, augmentation, accumulation and validation."""

import shutil
import sys
import sysconfig
import types
from pathlib import Path

import numpy as np
import pytest
import torch
import torch._dynamo
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from harness.errors import HarnessError, MethodFailure
from harness.methods.checkpoints import load_checkpoint
from harness.methods.recipe import Recipe
from harness.training.batches import Batches, other_tiles, to_batch, turned
from harness.training.batches import luma as luma_on_device
from harness.training.engine import BEST, Task, Training
from harness.training.validation import Validation, held_back
from metrics.images import luma
from segfanet.losses import Sources, similarity_loss
from segfanet.model import CAM

CPU = torch.device("cpu")
TILES = np.random.default_rng(0).integers(0, 256, (6, 5, 44, 48), dtype=np.uint8)
TILES[:, 4] %= 3


class Blend(nn.Module):
    """A network that learns a weighted mean of the sources."""

    def __init__(self, method_dtypes=None):
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(2, 1, 3, padding=1)
        self.dtypes = method_dtypes if method_dtypes is not None else []

    def fuse(self, infrared, visible):
        fused = torch.sigmoid(self.conv(torch.cat([infrared, visible], 1)))
        self.dtypes.append(fused.dtype)
        return fused

    def training_loss(self, batch):
        fused = self.fuse(batch.infrared, batch.visible).float()
        return {
            "near": (fused - batch.visible).square().mean(),
            "far": (fused - batch.infrared).abs().mean(),
        }


def trained(folder, method=None, tiles=TILES, validation=None, **recipe):
    settings = {"steps": 6, "batch": 2, "learning_rate": 1e-2, **recipe}
    names = [f"tile{i}" for i in range(len(tiles))]
    task = Task(Recipe(**settings), tiles, names, CPU, fingerprint="x", validation=validation)
    run = Training(method or Blend(), task)
    run.run(folder / "partial.pt")
    return run


def weights(run):
    return torch.cat([value.flatten() for value in run.module.state_dict().values()])


@pytest.mark.parametrize(("precision", "dtype"), [("bf16", torch.bfloat16), ("fp16", torch.half)])
def test_half_precision_computes_in_it_and_learns_nearly_the_same(tmp_path, precision, dtype):
    method = Blend()
    half = trained(tmp_path, method, precision=precision)
    assert set(method.dtypes) == {dtype}
    full = trained(tmp_path)
    assert half.log[-1]["loss"] == pytest.approx(full.log[-1]["loss"], rel=0.01)
    assert all(value.dtype == torch.float32 for value in half.module.state_dict().values())


def test_half_precision_restarts_exactly(tmp_path):
    whole = trained(tmp_path, precision="fp16")
    first = trained(tmp_path / "b", precision="fp16", steps=3)
    first.save(tmp_path / "b" / "partial.pt")
    second = trained(tmp_path / "b", precision="fp16")
    assert torch.equal(weights(whole), weights(second))


def test_accumulation_takes_the_same_steps_in_smaller_passes(tmp_path):
    once = trained(tmp_path, batch=6, steps=4)
    thrice = trained(tmp_path, batch=6, steps=4, accumulate=3)
    torch.testing.assert_close(weights(once), weights(thrice), atol=1e-6, rtol=1e-5)
    assert thrice.log[-1]["loss"] == pytest.approx(once.log[-1]["loss"], rel=1e-5)


def test_parts_of_a_step_share_its_tiles_and_fill_the_last_batch():
    batches = Batches(TILES[:5], 4, seed=1, parts=2)
    for step in (0, 1):
        parts = [batches.load(step, CPU, part).label for part in (0, 1)]
        assert [len(part) for part in parts] == [2, 2] if step == 0 else [1, 1]
        expected = TILES[batches.indices(step), 4]
        np.testing.assert_array_equal(torch.cat(parts).numpy(), expected)
    assert len(batches.indices(1)) == 2


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ({"batch": 3, "accumulate": 2}, r"batch of 3 does not split into 2 equal parts"),
        ({"batch": 2, "processes": 4}, r"processes 4"),
        ({"select": "best"}, r"needs `validate_every`"),
    ],
)
def test_recipe_that_cannot_work_is_refused(recipe, message):
    with pytest.raises(HarnessError, match=message):
        Recipe(**recipe)


def test_schedule_warms_up_then_stays_or_falls_along_a_cosine():
    constant = Recipe(learning_rate=1.0, warmup=4)
    assert [constant.rate(step, 20) for step in range(6)] == [0.25, 0.5, 0.75, 1, 1, 1]
    cosine = Recipe(learning_rate=1.0, warmup=4, schedule="cosine")
    assert [cosine.rate(step, 20) for step in (3, 4, 12)] == pytest.approx([1, 1, 0.5])
    assert 0 < cosine.rate(19, 20) < 0.01
    assert Recipe(learning_rate=2.0).rate(10**6, 1) == 2.0


def test_schedule_reaches_the_optimiser(tmp_path):
    run = trained(tmp_path, schedule="cosine")
    assert run.optimiser.param_groups[0]["lr"] == pytest.approx(run.recipe.rate(5, 6))


def test_device_luma_is_the_stores_luma_for_every_kind_of_sum():
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (3, 1000, 1000), dtype=np.uint8)
    rgb[:, 0] = np.arange(1000, dtype=np.uint8)
    np.testing.assert_array_equal(luma_on_device(torch.from_numpy(rgb)).numpy(), luma(rgb))


def test_batch_keeps_every_band_in_its_place():
    batch = to_batch(torch.from_numpy(TILES))
    np.testing.assert_array_equal(batch.visible[:, 0] * 255, luma(TILES[:, :3]))
    np.testing.assert_array_equal(torch.round(batch.infrared[:, 0] * 255), TILES[:, 3])
    np.testing.assert_array_equal(batch.label, TILES[:, 4])


def test_symmetries_are_the_eight_of_a_square_and_four_of_a_rectangle():
    square, wide = torch.arange(18).view(2, 3, 3), torch.arange(12).view(2, 2, 3)
    assert len({tuple(turned(square, k).flatten().tolist()) for k in range(8)}) == 8
    assert len({tuple(turned(wide, k).flatten().tolist()) for k in range(8)}) == 4
    assert {turned(wide, k).shape for k in range(8)} == {wide.shape}
    assert torch.equal(turned(square, 1), torch.rot90(square, 1, (-2, -1)))


def test_augmentation_turns_all_bands_alike_and_repeats_by_step():
    tiles = np.repeat(TILES[:, :1, :44, :44], 5, axis=1)
    first, again = (Batches(tiles, 6, 3, augment=True).load(0, CPU) for _ in range(2))
    assert torch.equal(first.infrared, again.infrared)
    torch.testing.assert_close(torch.round(first.infrared[:, 0] * 255).long(), first.label)
    plain = Batches(tiles, 6, 3).load(0, CPU)
    assert not torch.equal(first.label, plain.label)
    assert torch.equal(first.label.flatten(1).sort().values, plain.label.flatten(1).sort().values)


@pytest.mark.parametrize(
    ("scenes", "share", "count"),
    [("aabbcc", 0.1, 2), ("aabbcc", 0.5, 4), ("aaaaaa", 0.3, 2), ("ab", 0.9, 1), ("abc", 0.1, 1)],
)
def test_whole_scenes_are_held_back(scenes, share, count):
    assert held_back(list(scenes), share) == count


def test_validation_keeps_the_best_weights_and_selects_them(tmp_path):
    validation = Validation(TILES[4:], 2)
    run = trained(
        tmp_path, None, TILES[:4], validation, learning_rate=0.3, validate_every=1, select="best"
    )
    rows = [row for row in run.log if "validation_loss" in row]
    assert [row["step"] for row in rows] == [2, 4, 6]
    assert {"validation_near", "validation_far", "validation_vif"} < set(rows[0])
    best = min(rows, key=lambda row: row["validation_loss"])
    assert run.best == {"step": best["step"], "loss": best["validation_loss"]}
    run.save_selected(tmp_path / "checkpoint.pt")
    kept = load_checkpoint(tmp_path / BEST)
    assert kept["step"] == best["step"]
    chosen = load_checkpoint(tmp_path / "checkpoint.pt")["model"]
    assert all(torch.equal(chosen[name], kept["model"][name]) for name in chosen)
    assert validation.measure(run.method, CPU)["validation_loss"] == best["validation_loss"]


def test_validation_changes_no_weight(tmp_path):
    with_it = trained(
        tmp_path, None, TILES[:4], Validation(TILES[4:], 2), validate_every=1, steps=4
    )
    without = trained(tmp_path / "b", None, TILES[:4], steps=4)
    assert torch.equal(weights(with_it), weights(without))


def test_log_goes_to_tensorboard_where_it_is_installed(tmp_path, monkeypatch):
    written = []

    class SummaryWriter:
        def __init__(self, folder, purge_step):
            written.append((folder, purge_step))

        def add_scalar(self, name, value, step):
            written.append((name, value, step))

        def close(self):
            written.append("closed")

    module = types.SimpleNamespace(SummaryWriter=SummaryWriter)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    run = trained(tmp_path)
    assert written[0] == (str(tmp_path / "tensorboard"), 0)
    assert ("loss", run.log[-1]["loss"], 6) in written
    assert written[-1] == "closed"


HEADERS = Path(sysconfig.get_path("include"), "Python.h")


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("g++"), reason="torch compiles with g++, which is missing")
@pytest.mark.skipif(not HEADERS.exists(), reason=f"torch compiles with {HEADERS}, which is missing")
def test_a_compiled_step_is_the_same_step(tmp_path):
    class Attending(Blend):
        """A network that is hard to compile: running moments change in each step, and SSIM."""

        def __init__(self):
            super().__init__()
            self.cam = CAM(2, pool=4)

        def fuse(self, infrared, visible):
            pair = torch.cat([infrared, visible], 1)
            return torch.sigmoid(self.conv(self.cam(pair, pair)[0][:, 1:3]))

        def training_loss(self, batch):
            sources = Sources(batch.infrared, batch.visible)
            fused = self.fuse(batch.infrared, batch.visible)
            return {"fusion": similarity_loss(fused, sources)}

    def curve(name, **recipe):
        folder = tmp_path / name
        folder.mkdir()
        return trained(folder, Attending(), learning_rate=1e-3, steps=3, **recipe).log[-1]["loss"]

    # Compiling again in each step would be slower than not compiling.
    with torch._dynamo.config.patch(error_on_recompile=True):
        compiled = curve("compiled", compile=True)
    assert compiled == pytest.approx(curve("plain"), rel=1e-5)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > 0


@settings(deadline=None)
@given(st.integers(2, 300), st.integers(0, 50))
def test_permuted_labels_come_from_other_tiles_each_once(count, seed):
    places = other_tiles(count, seed)
    assert sorted(places) == list(range(count))
    assert not (places == np.arange(count)).any()
    np.testing.assert_array_equal(places, other_tiles(count, seed))


def test_seeds_permute_labels_differently_and_nothing_but_labels():
    tiles = np.random.default_rng(1).integers(0, 256, (9, 5, 44, 48), dtype=np.uint8)
    found = {}
    for seed in (1, 2):
        plain = Batches(tiles, 9, seed).load(0, CPU)
        permuted = Batches(tiles, 9, seed, permute_labels=True).load(0, CPU)
        assert torch.equal(permuted.infrared, plain.infrared)
        assert torch.equal(permuted.visible, plain.visible)
        expected = tiles[other_tiles(9, seed), 4]
        np.testing.assert_array_equal(permuted.label.numpy(), expected)
        found[seed] = expected
    assert not np.array_equal(found[1], found[2])


def test_one_tile_has_no_other_labels(tmp_path):
    with pytest.raises(MethodFailure, match="permute_labels: found 1 training tile"):
        trained(tmp_path, tiles=TILES[:1], permute_labels=True)
