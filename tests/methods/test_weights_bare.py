"""Weight files that are bare arrays: read without their author's library, refused when damaged."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from harness.errors import HarnessError
from harness.methods.raw_arrays import read_arrays
from harness.methods.weights import load_weights

SHAPES = st.dictionaries(
    st.text("abc.", min_size=1, max_size=4),
    st.lists(st.integers(1, 3), min_size=0, max_size=4).map(tuple),
    min_size=1,
    max_size=5,
)


class Small(nn.Module):
    """A network whose authors' file has the bias before the kernel."""

    official_order = ("conv.bias", "conv.weight")

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 3, (1, 2))


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "model.data-00000-of-00001"
    path.write_bytes(np.arange(15, dtype="<f4").tobytes())
    return path


def test_kernels_get_the_layout_of_torch(file):
    method = Small()
    load_weights(method, file)
    assert method.conv.bias.tolist() == [0, 1, 2]
    for column in range(2):
        for inputs in range(2):
            expected = [3 + 6 * column + 3 * inputs + out for out in range(3)]
            assert method.conv.weight[:, inputs, 0, column].tolist() == expected


def test_a_checkpoint_of_such_a_network_is_read_too(tmp_path):
    first, second = Small(), Small()
    torch.save({"model": first.state_dict()}, tmp_path / "checkpoint.pt")
    load_weights(second, tmp_path / "checkpoint.pt")
    assert torch.equal(first.conv.weight, second.conv.weight)


@pytest.mark.parametrize(
    "change", [lambda b: b[:-1], lambda b: b + b"\0", lambda b: b"", bytes.hex]
)
def test_a_file_of_another_size_is_refused(file, change):
    changed = change(file.read_bytes())
    file.write_bytes(changed.encode() if isinstance(changed, str) else changed)
    with pytest.raises(HarnessError, match=r"model\.data.*bytes, expected 60 .*fetch it again"):
        load_weights(Small(), file)


def test_values_that_are_not_finite_are_refused(file):
    values = np.arange(15, dtype="<f4")
    values[7] = np.nan
    file.write_bytes(values.tobytes())
    with pytest.raises(HarnessError, match=r"model\.data.*conv\.weight is not finite"):
        load_weights(Small(), file)


def test_a_folder_and_a_missing_file_are_refused(tmp_path):
    for path in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(HarnessError, match=str(path)):
            read_arrays(path, {"a": (1,)})


@settings(max_examples=200, deadline=None)
@given(SHAPES, st.binary(max_size=400))
def test_any_bytes_give_all_arrays_or_one_error(tmp_path_factory, shapes, content):
    path = tmp_path_factory.getbasetemp() / "fuzzed"
    path.write_bytes(content)
    try:
        found = read_arrays(path, shapes)
    except HarnessError as error:
        assert "fuzzed" in str(error)
        return
    assert {name: tuple(tensor.shape) for name, tensor in found.items()} == shapes
    assert all(torch.isfinite(tensor).all() for tensor in found.values())


@settings(max_examples=100, deadline=None)
@given(SHAPES, st.integers(0, 2**32 - 1))
def test_every_number_arrives_once(tmp_path_factory, shapes, seed):
    total = sum(math.prod(shape) for shape in shapes.values())
    values = np.random.default_rng(seed).permutation(total).astype("<f4")
    path = tmp_path_factory.getbasetemp() / "permuted"
    path.write_bytes(values.tobytes())
    found = read_arrays(path, shapes)
    offset = 0
    for name, shape in shapes.items():
        part = values[offset : offset + math.prod(shape)]
        offset += len(part)
        back = found[name].permute(2, 3, 1, 0) if len(shape) == 4 else found[name]
        assert back.flatten().tolist() == part.tolist()
