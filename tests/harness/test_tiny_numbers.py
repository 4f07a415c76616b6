"""Subnormal numbers slow a processor down: they count as 0 while a method fuses, and only then."""

import subprocess
import sys
from contextlib import nullcontext

import numpy as np
import pytest
import torch

from harness.errors import MethodFailure
from harness.fusing.cost import gflops
from harness.fusing.inference import call_fuse
from harness.fusing.memory import memory_use
from harness.fusing.publishing import Source, publish
from harness.methods.spec import discover

TINY = torch.from_numpy(np.full(1 << 17, 1e-39, np.float32))
THREADS = """
import numpy as np, torch
from harness.fusing.inference import load_method, call_fuse, to_tensor
from harness.methods.spec import discover

class Method:
    def fuse(self, infrared, visible):
        self.kept = [int((tiny * 1).count_nonzero()), *(tiny[[0, -1]] * 1).tolist()]
        return visible

torch.set_num_threads(2)
load_method(discover()["average"], torch.device("cpu"), None, 0)
tiny = torch.from_numpy(np.full(1 << 17, 1e-39, np.float32))
pair = [to_tensor(np.zeros((1, 300, 300), np.uint8), torch.device("cpu")) for _ in range(2)]
method = Method()
call_fuse(method, *pair, what="pair")
print(*method.kept)
"""


class Method(torch.nn.Module):
    """Keeps how many tiny numbers an operation leaves."""

    def __init__(self, failing=False):
        super().__init__()
        self.failing, self.kept = failing, None

    def fuse(self, infrared, visible):
        self.kept = kept()
        if self.failing:
            raise ValueError("broken")
        return visible

    def publish(self, infrared, visible, rgb):
        self.kept = kept()
        return torch.zeros(visible.shape[-2:], dtype=torch.uint8)


def kept():
    return int((TINY * 1).numpy().view(np.uint32).astype(bool).sum())


@pytest.fixture(autouse=True)
def able():
    if not torch.set_flush_denormal(False):
        pytest.skip("this processor cannot take subnormal numbers for 0")


@pytest.mark.parametrize("failing", [False, True])
def test_a_call_has_none_and_leaves_the_process_as_it_was(failing):
    method = Method(failing)
    with pytest.raises(MethodFailure) if failing else nullcontext():
        call_fuse(method, *torch.zeros(2, 1, 1, 4, 4), what="pair")
    assert method.kept == 0
    assert kept() == len(TINY)


def cost(method):
    assert gflops(method, (8, 8), torch.device("cpu")) == 0


def memory(method):
    assert memory_use(method, torch.device("cpu")) is not None


def publication(method):
    spec = discover()["sage"]
    image = np.zeros((8, 8), np.float32)
    publish(spec, method, [Source("pair", image, image, None)], torch.device("cpu"))


@pytest.mark.parametrize("measure", [cost, memory, publication])
def test_a_method_is_measured_and_published_as_it_fuses(measure):
    method = Method()
    measure(method)
    assert method.kept == 0
    assert kept() == len(TINY)


def test_all_threads_of_a_process_that_fuses_agree():
    run = subprocess.run(
        [sys.executable, "-c", THREADS], check=True, stdout=subprocess.PIPE, text=True
    )
    assert [float(word) for word in run.stdout.split()] == [0, 0, 0]
