"""Networks whose authors published weights and images: equal numbers, strict weight files."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch

from harness.errors import HarnessError
from harness.fusing.inference import load_method
from harness.methods.spec import discover
from harness.methods.weights import choose_weights
from tests.helpers.shared_data import SHARED, need, tensor

CPU = torch.device("cpu")
TOLERANCE = 1e-5
PAIRS = range(4)
WHOLE = (2, 3)
"""Pairs of a golden file whose saved 8-bit images it holds."""


class Golden(NamedTuple):
    """A network with the authors' weights.

    odd: key of the golden output of the pair with odd sides. saved: how the authors quantise.
    """

    odd: str = "out_1"
    saved: str = "truncate"


NETWORKS = {
    "datfuse": Golden(),
    "lrrnet": Golden(),
    # The authors crop odd sides; the extension to every size has a key of its own.
    "sfdfusion": Golden(odd="extension_1"),
    "mmdrfuse": Golden(saved="stretch and round"),
    "sage": Golden(saved="round"),
}
LOADED: dict[str, torch.nn.Module] = {}


def golden(name):
    return np.load(need(SHARED / "methods" / name / "golden.npz"), allow_pickle=False)


def official(name):
    """Load a method with the authors' file, once per session."""
    if name not in LOADED:
        folder = need(SHARED / "methods" / name)
        weights = choose_weights(discover()[name], mirrors=[folder])
        assert weights.origin == "official"
        LOADED[name] = load_method(discover()[name], CPU, weights.path, 0)
    return LOADED[name]


def fuse(name, pair):
    data = golden(name)
    with torch.no_grad():
        fused = official(name).fuse(tensor(data, f"ir_{pair}"), tensor(data, f"vi_{pair}"))
    return fused, data


def saved_image(fused, rule):
    """Return the 8-bit image that the authors save, from a raw output (1, 1, H, W)."""
    values = fused.numpy()[0, 0]
    if rule.startswith("stretch"):
        low, high = values.min(), values.max()
        levels = (values - low) * (np.float32(255) / (high - low))
    else:
        levels = np.clip(values, 0, 1) * np.float32(255)
    if rule.endswith("round"):
        levels += np.float32(0.5)
    return np.clip(levels, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("pair", PAIRS)
def test_output_is_the_authors(name, pair):
    fused, data = fuse(name, pair)
    key = NETWORKS[name].odd if pair == 1 else f"out_{pair}"
    assert np.abs(fused.numpy() - data[key]).max() <= TOLERANCE


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("pair", WHOLE)
def test_saved_image_is_the_authors(name, pair):
    fused, data = fuse(name, pair)
    found = saved_image(fused, NETWORKS[name].saved)
    assert np.array_equal(found, data[f"saved_{pair}"])


@pytest.mark.parametrize("name", NETWORKS)
def test_images_of_a_batch_are_independent_whatever_the_batch_size(name):
    torch.manual_seed(0)
    method = discover()[name].load().eval()
    infrared, visible = torch.rand(2, 3, 1, 25, 38)
    with torch.no_grad():
        together = method.fuse(infrared, visible)
        alone = [
            method.fuse(*pair) for pair in zip(infrared.split(1), visible.split(1), strict=True)
        ]
    assert (together - torch.cat(alone)).abs().max() < TOLERANCE


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("flat", ["infrared", "visible", "both"])
def test_flat_images_give_finite_output(name, flat):
    torch.manual_seed(0)
    method = discover()[name].load().eval()
    pair = dict(zip(("infrared", "visible"), torch.rand(2, 1, 1, 21, 34), strict=True))
    for key in pair if flat == "both" else (flat,):
        pair[key] = torch.full((1, 1, 21, 34), 0.3)
    with torch.no_grad():
        assert torch.isfinite(method.fuse(**pair)).all()


@pytest.mark.parametrize("name", NETWORKS)
def test_a_damaged_or_truncated_file_is_refused_by_name(name, tmp_path):
    spec = discover()[name]
    authors = choose_weights(spec, mirrors=[need(SHARED / "methods" / name)]).path
    content = bytearray(authors.read_bytes())
    content[len(content) // 2] ^= 0xFF
    for title, damaged in (
        ("damaged", content),
        ("truncated", content[: len(content) // 2]),
        ("short", content[:-1]),
        ("empty", b""),
    ):
        file = tmp_path / f"{title}.pth"
        file.write_bytes(damaged)
        with pytest.raises(HarnessError, match=f"{title}.pth"):
            load_method(spec, CPU, choose_weights(spec, file=file).path, 0)


@pytest.mark.parametrize("name", NETWORKS)
def test_files_of_other_networks_are_refused_by_name(name, tmp_path):
    spec = discover()[name]
    foreign = {
        "plain": {"layer.weight": torch.zeros(3, 3)},
        "words": {"author": "somebody", "fuse_net": "nothing", "DIDF_Encoder": 3},
        "nested": {"fuse_net": {"layer.weight": torch.zeros(3)}},
    }
    for other in NETWORKS.keys() - {name}:
        foreign[other] = discover()[other].load().state_dict()
    for title, state in foreign.items():
        file: Path = tmp_path / f"{title}.pth"
        torch.save(state, file)
        with pytest.raises(HarnessError, match=f"{title}.pth"):
            load_method(spec, CPU, choose_weights(spec, file=file).path, 0)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_file_without_one_tensor_or_with_one_of_another_shape_is_refused(name, tmp_path):
    spec = discover()[name]
    state = spec.load().state_dict()
    key = sorted(key for key in state if key.endswith("weight"))[0]
    file = tmp_path / "wrong.pth"
    torch.save({other: state[other] for other in state if other != key}, file)
    with pytest.raises(HarnessError, match=rf"wrong\.pth.*missing {key}"):
        load_method(spec, CPU, file, 0)
    torch.save({**state, key: torch.zeros(2, 2)}, file)
    with pytest.raises(HarnessError, match=r"wrong\.pth.*do not fit"):
        load_method(spec, CPU, file, 0)
