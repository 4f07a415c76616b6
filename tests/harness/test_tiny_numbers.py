"""Numbers without a leading digit, which slow a processor down, count as 0 while a method fuses."""

import pytest
import torch

from harness.errors import MethodFailure
from harness.fusing.inference import call_fuse
from harness.machine.device import tiny_numbers_as_zero

PAIR = torch.zeros(2, 1, 1, 4, 4)
TINY = 1e-39


class Method:
    """Keeps what the processor makes of a tiny number."""

    def __init__(self, failing=False):
        self.failing, self.seen = failing, None

    def fuse(self, infrared, visible):
        self.seen = tiny()
        if self.failing:
            raise ValueError("broken")
        return visible


def tiny():
    return float(torch.full((4,), TINY).mul(1)[0])


@pytest.fixture(autouse=True)
def able():
    if not torch.set_flush_denormal(False):
        pytest.skip("this processor cannot take tiny numbers for 0")


@pytest.mark.parametrize("failing", [False, True])
def test_they_are_zero_within_a_call_alone(failing):
    method = Method(failing)
    try:
        call_fuse(method, *PAIR, what="pair")
    except MethodFailure:
        assert failing
    assert method.seen == 0
    assert tiny() == pytest.approx(TINY)


def test_they_are_what_they_are_outside():
    assert tiny() == pytest.approx(TINY)
    with tiny_numbers_as_zero():
        assert tiny() == 0
    assert tiny() == pytest.approx(TINY)
