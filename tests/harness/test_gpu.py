"""What has to hold on a GPU as it does on a processor: `make test-gpu`.

Tests that also run on the processor show there that their own code works.
"""

import shutil

import numpy as np
import pytest
import torch

from benchmarks import gpu as benchmark
from harness.fusing.inference import call_fuse, load_method, to_tensor
from harness.machine.device import make_deterministic
from harness.methods.checkpoints import load_checkpoint
from harness.methods.spec import discover, find_method
from harness.planner.jobs import Tiles
from harness.planner.measuring import Setting, training_cost
from harness.tiles.store import TileStore
from harness.training.job import train
from tests.helpers.small_training import OPTIONS, RECIPE, curve, job, write_blobs

GPUS = torch.cuda.device_count() if torch.cuda.is_available() else 0
CUDA = [
    pytest.mark.gpu,
    pytest.mark.skipif(not GPUS, reason="torch sees no CUDA device"),
]
DEVICES = [pytest.param("cpu"), pytest.param("cuda", marks=CUDA)]
NETWORKS = [
    name
    for name, spec in discover().items()
    if spec.kind in ("baseline", "proposed") and not spec.command and spec.device == "any"
]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return write_blobs(tmp_path_factory.mktemp("tiles"))


def weights(folder):
    return load_checkpoint(folder / "checkpoint.pt")["model"]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_two_trainings_are_equal_bit_by_bit(store, tmp_path, device, precision):
    if (device, precision) == ("cpu", "fp16"):
        pytest.skip("fp16 is for GPUs")
    found = []
    for name in ("one", "two"):
        train(job(store, tmp_path / name, device, precision=precision, steps=12))
        found.append(weights(tmp_path / name))
    for key, value in found[0].items():
        assert torch.equal(value, found[1][key]), key


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_follows_the_curve_of_single(store, tmp_path, device, precision):
    if (device, precision) == ("cpu", "fp16"):
        pytest.skip("fp16 is for GPUs")
    for name in ("fp32", precision):
        train(job(store, tmp_path / name, device, precision=name, steps=30))
    whole, half = (curve(tmp_path / name / "checkpoint.pt") for name in ("fp32", precision))
    np.testing.assert_allclose(half, whole, rtol=0.05)
    assert half[-1] < 0.98 * half[0]
    for value in weights(tmp_path / precision).values():
        assert torch.isfinite(value).all()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("c++") is None, reason="torch.compile needs a C++ compiler")
@pytest.mark.parametrize("device", DEVICES)
def test_a_compiled_training_follows_the_curve_of_an_eager_one(store, tmp_path, device):
    for compiled in (False, True):
        train(job(store, tmp_path / str(compiled), device, compile=compiled, steps=10))
    eager, compiled = (curve(tmp_path / name / "checkpoint.pt") for name in ("False", "True"))
    np.testing.assert_allclose(compiled, eager, rtol=1e-3)


@pytest.mark.gpu
@pytest.mark.skipif(GPUS < 2, reason="NCCL needs two CUDA devices for two processes")
def test_two_processes_over_nccl_follow_the_loss_curve_of_one(store, tmp_path):
    train(job(store, tmp_path / "one", "cuda", steps=10))
    train(job(store, tmp_path / "two", "cuda", steps=10, processes=2))
    one, two = (curve(tmp_path / name / "checkpoint.pt") for name in ("one", "two"))
    np.testing.assert_allclose(two[0], one[0], rtol=1e-6)
    np.testing.assert_allclose(two, one, rtol=1e-3)


def spec_of_training(**options):
    spec = find_method("segfanet", {**OPTIONS, **options})
    spec.train.update(RECIPE)
    return spec


def planned_memory(device, side, **options):
    """Return the bytes that the plan states for a training on tiles of a side."""
    tiles = Tiles(8, 1, (side, side), 3, (side, side), side**2)
    setting = Setting(torch.device(device), 1, steps=2)
    return training_cost(spec_of_training(**options), tiles, setting).memory


@pytest.mark.parametrize("device", DEVICES)
def test_the_plan_states_the_memory_of_a_training(store, tmp_path, device):
    planned = planned_memory(device, 48)
    assert planned > 2**16
    if device == "cpu":
        # A process does not say how much of its memory a training took.
        assert planned < planned_memory(device, 96)
        return
    torch.cuda.reset_peak_memory_stats()
    train(job(store, tmp_path, device))
    assert torch.cuda.max_memory_allocated() == pytest.approx(planned, rel=0.15)


def fused(name, device, pairs, options):
    """Fuse test tiles with the first weights of a method, which a seed decides."""
    make_deterministic(0, 1)
    method = load_method(find_method(name, options), torch.device(device), None, 3)
    tiles = slice(0, len(pairs))
    sources = [to_tensor(i(tiles), torch.device(device)) for i in (pairs.infrared, pairs.visible)]
    return call_fuse(method, *sources, what="blobs").float().cpu()


@pytest.mark.parametrize(
    ("name", "device"),
    [("segfanet", "cpu"), *(pytest.param(name, "cuda", marks=CUDA) for name in NETWORKS)],
)
def test_fused_images_are_those_of_the_processor(store, name, device):
    pairs = TileStore(store).test
    options = OPTIONS if name == "segfanet" else {}
    expected = fused(name, "cpu", pairs, options)
    torch.testing.assert_close(fused(name, device, pairs, options), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("device", DEVICES)
def test_a_trained_network_fuses_alike_on_every_device(store, tmp_path, device):
    train(job(store, tmp_path, device, steps=30))
    images = []
    for place in ("cpu", device):
        make_deterministic(0, 1)
        spec = find_method("segfanet", OPTIONS)
        method = load_method(spec, torch.device(place), tmp_path / "checkpoint.pt", 3)
        pairs = TileStore(store).test
        tiles = slice(0, len(pairs))
        pair = [to_tensor(i(tiles), torch.device(place)) for i in (pairs.infrared, pairs.visible)]
        images.append(call_fuse(method, *pair, what="blobs").cpu())
    torch.testing.assert_close(*images, rtol=0, atol=1e-4)


@pytest.mark.parametrize("device", DEVICES)
def test_the_benchmark_measures_steps_and_the_peak(device, capsys):
    small = ("--side", "48", "--steps", "2", "--matrix", "128", "--widths", "4", "8")
    benchmark.main([*small, "--device", device, "--precisions", "fp32", "bf16"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + 4
    for line in lines[2:]:
        width, precision, *numbers = line.split()
        assert int(width) in (4, 8)
        assert precision in ("fp32", "bf16")
        assert all(float(number.rstrip("%")) > 0 for number in numbers[:4])


@pytest.mark.skipif(GPUS > 0, reason="there is a GPU")
def test_the_benchmark_says_what_to_do_without_a_gpu():
    with pytest.raises(SystemExit, match="torch sees no GPU; use `auto` or `cpu`"):
        benchmark.main([])
