"""The weights that this project trained for the demonstration: small, made again, and of use."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import safe_open
from skimage.metrics import structural_similarity

from harness.commands.demonstration_weights import DemonstrationTraining, demonstration_stores
from harness.disk.records import read_record
from harness.errors import HarnessError
from harness.fusing.inference import load_method
from harness.methods.spec import discover
from harness.methods.weights import choose_weights
from harness.pixels import quantise
from metrics import score

CPU = torch.device("cpu")
TRAINED = {
    name: spec
    for name, spec in discover().items()
    if name == spec.folder.name and spec.demonstration.is_file()
}


def recorded(name):
    return read_record(TRAINED[name].demonstration.with_name("record.json"))


def test_the_paper_s_baselines_have_them_and_they_are_small():
    assert set(TRAINED) == {"itfuse", "ydtr", "limfusion", "tardal", "umfusion"}
    assert sum(spec.demonstration.stat().st_size for spec in TRAINED.values()) <= 6_000_000


@pytest.mark.parametrize("name", TRAINED)
def test_the_record_says_how_they_came_to_be(name):
    record = recorded(name)
    assert record["status"] == "ok"
    assert record["git"]["commit"]
    assert record["config"]["recipe"] == DemonstrationTraining(name).recipe.model_dump(mode="json")
    assert record["details"]["steps"] == record["config"]["recipe"]["steps"]
    assert record["details"]["final_loss"] < 0.5 * record["details"]["first_losses"][0]
    with safe_open(TRAINED[name].demonstration, "pt") as file:
        assert file.keys()


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAINED)
def test_training_again_gives_the_recorded_losses(name):
    expected = recorded(name)["details"]["first_losses"][:5]
    assert DemonstrationTraining(name).first_losses(5) == pytest.approx(expected, rel=0.01)


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    return demonstration_stores(tmp_path_factory.mktemp("stores"))


def fuse(method, *sources):
    """Fuse 8-bit infrared and visible images (N, H, W); return 8-bit images (N, H, W)."""
    inputs = [torch.from_numpy(image[:, None] / np.float32(255)) for image in sources]
    with torch.no_grad():
        return quantise(method.fuse(*inputs).numpy())[:, 0]


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAINED)
def test_images_show_the_scene(stores, name):
    """The means over all test tiles lie near the plain average's and keep information."""
    spec = TRAINED[name]
    weights = choose_weights(spec, file=spec.demonstration)
    assert weights.origin == "demonstration"
    method = load_method(spec, CPU, weights.path, 0)
    for store in stores.values():
        pairs = store.pairs("test")
        infrared, visible = pairs.infrared(slice(None)), pairs.visible(slice(None))
        fused = np.concatenate(
            [fuse(method, infrared[i : i + 6], visible[i : i + 6]) for i in range(0, len(pairs), 6)]
        )
        average = ((infrared.astype(np.float64) + visible) / 2).round().astype(np.uint8)
        similar = [structural_similarity(*both) for both in zip(fused, average, strict=True)]
        assert np.mean(similar) >= 0.5
        assert np.mean(score(fused, infrared, visible, ["vif"])["vif"]) >= 0.5


def test_a_file_that_its_record_does_not_name_is_refused(tmp_path):
    shutil.copytree(TRAINED["ydtr"].demonstration.parent, tmp_path / "ydtr" / "demonstration")
    spec = replace(TRAINED["ydtr"], folder=tmp_path / "ydtr")
    changed = bytearray(spec.demonstration.read_bytes())
    changed[-1] ^= 1
    spec.demonstration.write_bytes(changed)
    with pytest.raises(HarnessError, match=r"weights\.safetensors"):
        choose_weights(spec, file=spec.demonstration)
