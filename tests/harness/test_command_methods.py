"""Methods that are a shell command: how one is run, and what is said when it fails."""

import os
from dataclasses import replace

import numpy as np
import pytest
import torch

from harness.disk.schema import ROOT
from harness.errors import MethodFailure
from harness.fusing.command import fuse_pictures, write_command_stack
from harness.fusing.job import FusingJob
from harness.methods.spec import MethodSpec
from harness.tiles.store import Pairs
from tests.helpers import contract


def shell_method(command, **other):
    return MethodSpec(
        name="shell",
        title="Shell",
        folder=ROOT / "baselines",
        command=("sh", "-c", command),
        **other,
    )


def test_a_shell_command_is_a_method():
    spec = shell_method("cp {visible}/*.png {output}/")
    contract.check_shapes_and_values(spec)
    contract.check_repeatable(spec)
    rng = np.random.default_rng(0)
    pair = rng.random((2, 41, 53), dtype=np.float32)
    (fused,) = fuse_pictures(spec, [tuple(pair)], ["tile"], torch.device("cpu"), 1)
    assert np.abs(fused - pair[1]).max() <= 0.5 / 255 + 1e-6


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("echo broken >&2; exit 3", "sh exited with 3: broken"),
        ("true", "no readable output image"),
        ("for f in {visible}/*; do printf x > {output}/$(basename $f); done", "no readable output"),
    ],
)
def test_a_failing_command_is_explained(command, message):
    pair = np.zeros((2, 41, 41), np.float32)
    with pytest.raises(MethodFailure, match=message):
        fuse_pictures(shell_method(command), [tuple(pair)], ["t"], torch.device("cpu"), 1)


def test_a_command_can_have_a_conda_environment(tmp_path, monkeypatch):
    conda = tmp_path / "conda"
    expected = "run --no-capture-output -n matlab"
    conda.write_text(f'#!/bin/sh\n[ "$1 $2 $3 $4" = "{expected}" ] || exit 9\nshift 4\nexec "$@"\n')
    conda.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    spec = replace(shell_method("cp {visible}/*.png {output}/"), conda="matlab")
    contract.check_shapes_and_values(spec)


def test_a_command_fuses_a_whole_split(tmp_path):
    tiles = np.random.default_rng(0).integers(0, 256, (3, 5, 41, 53), dtype=np.uint8)
    pairs = Pairs(tiles)
    spec = shell_method("cp {infrared}/*.png {output}/")
    path = tmp_path / "fused.npy"
    write_command_stack(
        FusingJob(spec, pairs, ["a", "b", "c"], {"none": path}), torch.device("cpu"), list
    )
    # The way through floats may truncate one level away.
    assert np.abs(np.load(path).astype(int) - tiles[:, 3]).max() <= 1
