"""Arguments that several command lines take."""

from argparse import ArgumentTypeError

import pytest

from harness.cli import assignment, json_object, positive
from harness.errors import HarnessError
from harness.machine.device import choose_device


@pytest.mark.parametrize(
    ("parse", "text", "message"),
    [
        (positive, "0", "expected a whole number from 1, got '0'"),
        (positive, "-2", "got '-2'"),
        (positive, "1.5", "got '1.5'"),
        (assignment, "width", "expected KEY=VALUE, got 'width'"),
        (assignment, "pool=[4, 4", "pool: '[4, 4' is not YAML"),
        (json_object, "[1]", "expected a JSON object, got '[1]'"),
        (json_object, "{", "expected a JSON object, got '{'"),
    ],
)
def test_bad_arguments_are_named(parse, text, message):
    with pytest.raises(ArgumentTypeError) as refused:
        parse(text)
    assert message in str(refused.value)


def test_good_arguments_are_parsed():
    assert positive("3") == 3
    assert assignment("pool=[4, 4]") == ("pool", [4, 4])
    assert json_object('{"a": 1}') == {"a": 1}


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "cpu:1", ""])
def test_unknown_devices_are_named(name):
    with pytest.raises(HarnessError, match=r"device is .*; use auto, cpu, cuda or cuda:N"):
        choose_device(name)
