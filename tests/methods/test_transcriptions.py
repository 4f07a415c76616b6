"""Methods against plain transcriptions of their descriptions, with random weights."""

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from benchmarks import transcriptions, transcriptions_attentive
from harness.fusing.inference import load_method
from harness.methods.contract import extended
from harness.methods.spec import discover

TRANSCRIPTIONS = {**transcriptions.TRANSCRIPTIONS, **transcriptions_attentive.TRANSCRIPTIONS}
CPU = torch.device("cpu")
SEEDS, SIDES = st.integers(0, 2**16), st.integers(8, 40)


def with_random_weights(spec, seed):
    """Load a method in double precision with random parameters and running moments."""
    method = load_method(spec, CPU, None, 0).double()
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in method.state_dict().items():
        if not tensor.is_floating_point():
            continue
        fan = tensor[0].numel() if tensor.ndim > 1 else 1
        values = torch.randn(tensor.shape, generator=generator).double() / (2 * max(fan, 4) ** 0.5)
        tensor.copy_(1 + 0.2 * values if name.endswith("running_var") else values)
    return method


@pytest.mark.parametrize("name", sorted(TRANSCRIPTIONS))
@settings(max_examples=4, deadline=None)
@given(seed=SEEDS, height=SIDES, width=SIDES)
def test_a_method_is_what_its_description_says(name, seed, height, width):
    spec = discover()[name]
    method = with_random_weights(spec, seed)
    generator = torch.Generator().manual_seed(seed)
    pair = torch.rand(2, 1, 1, height, width, generator=generator).double()
    plain = extended(lambda *pair: TRANSCRIPTIONS[name](method, *pair), spec.size_multiple)
    with torch.no_grad():
        found, expected = method.fuse(*pair), plain(*pair)
    assert found.shape == pair[0].shape
    # Behind a last ReLU, random weights may leave nothing to compare.
    assume(expected.std() > 0)
    assert (found - expected).abs().max() <= 1e-6 * max(1.0, expected.abs().max().item())
