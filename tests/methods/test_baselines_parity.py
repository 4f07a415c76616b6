"""With the authors' weights, the networks return the numbers of the authors' code."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from baselines.limfusion.preparation import pad, prepare
from baselines.umfusion.model import UMFusion
from harness.fusing.inference import call_fuse, load_method
from harness.methods.spec import discover
from harness.methods.weights import choose_weights
from tests.helpers.shared_data import CHECKPOINTS, golden, need, tensor

CPU = torch.device("cpu")
TOLERANCE = 1e-5
TARDAL = [("dt", "tardal"), ("tt", "tardal_tt"), ("ct", "tardal_ct")]
CASES = [
    ("ydtr", {}, "ydtr", "out"),
    ("itfuse", {}, "itfuse", "out"),
    ("limfusion", {}, "limfusion", "out"),
    *[("tardal", {"weights": w, "statistics": "running"}, file, "out") for w, file in TARDAL],
    *[
        ("tardal", {"weights": w, "statistics": "batch"}, file, "out_train_bn")
        for w, file in TARDAL
    ],
    ("tardal", {}, "tardal", "out_train_bn"),
    ("tardal", {"weights": "ct"}, "tardal_ct", "out"),
]


def official(name, options):
    need(CHECKPOINTS)
    spec = discover()[name]
    spec = replace(spec, options={**spec.options, **options})
    weights = choose_weights(spec, mirrors=[CHECKPOINTS])
    assert weights.origin == "official"
    return load_method(spec, CPU, weights.path, 0)


def difference(found, data, key):
    return (found - tensor(data, key)).abs().max().item()


def check_output(method, data, key):
    for i in range(len(data["pair_names"])):
        fused = call_fuse(method, tensor(data, f"ir_{i}"), tensor(data, f"vi_{i}"), what=f"{i}")
        assert difference(fused, data, f"{key}_{i}") <= TOLERANCE, f"pair {i}"


@pytest.mark.parametrize(("name", "options", "file", "key"), CASES)
def test_output_is_the_authors(name, options, file, key):
    check_output(official(name, options), golden(file), key)


def test_umfusion_with_its_random_state():
    state = golden("umf_random_state")
    method = UMFusion().eval()
    method.load_state_dict(method.official_state({key: tensor(state, key) for key in state.files}))
    check_output(method, golden("umf"), "out")


def test_limfusion_between_input_and_output():
    data = golden("limfusion")
    method = official("limfusion", {})
    with torch.no_grad():
        infrared, visible = (prepare(pad(tensor(data, key))) for key in ("ir_0", "vi_0"))
        high, low = method(infrared, visible)
    found = {"out_H_0": high, "out_L_0": low}
    for short, layers in (("ir", infrared), ("vi", visible)):
        found[f"{short}_L_0"] = layers.low
        found[f"{short}_H_norm_0"] = layers.high
        found[f"{short}_map_0"] = layers.information
    for key, values in found.items():
        assert difference(values.reshape(data[key].shape), data, key) <= TOLERANCE, key


def test_one_authors_file_is_enough_for_every_spelling_of_its_name():
    folder = Path(need(CHECKPOINTS))
    for name in ("ydtr", "itfuse", "limfusion", "tardal"):
        found = choose_weights(discover()[name], mirrors=[folder])
        assert found.path.parent == folder
