"""Weight files: found by name or hash, refused when wrong, loaded strictly."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import harness.methods.weights
from baselines.umfusion.model import NAMES, UMFusion
from harness.disk.records import Record
from harness.errors import HarnessError, MethodFailure
from harness.fusing.inference import load_method
from harness.methods.spec import discover, weight_entry
from harness.methods.weights import choose_weights, load_weights, official_file

CPU = torch.device("cpu")


@pytest.fixture
def spec(tmp_path, monkeypatch):
    """UMFusion, as if its authors had published a file."""
    monkeypatch.setattr(harness.methods.weights, "CACHE", tmp_path / "cache")
    torch.manual_seed(3)
    ours = {value: key for key, value in NAMES.items()}
    state = {}
    for key, tensor in UMFusion().state_dict().items():
        prefix = next(prefix for prefix in ours if key.startswith(prefix))
        state[ours[prefix] + key[len(prefix) :]] = tensor
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    file = mirror / "another name.pth"
    torch.save({"net": state}, file)
    entry = {
        "file": "fus_0280.pth",
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "bytes": file.stat().st_size,
        "licence": "MIT",
        "page": "https://example.org/weights",
    }
    return replace(discover()["umfusion"], weights=entry)


def find(spec, *mirrors, cache):
    return official_file(spec, weight_entry(spec), list(mirrors), cache=cache)


def test_found_by_hash_under_any_name_and_loaded_from_its_wrapper(spec, tmp_path):
    path = find(spec, tmp_path / "mirror", cache=tmp_path / "cache")
    assert path.name == "another name.pth"
    method = load_method(spec, CPU, path, 0)
    assert torch.equal(
        method.head.weight, torch.load(path, weights_only=True)["net"]["out_conv.weight"]
    )


def test_a_missing_file_is_named_with_its_source_and_its_place(spec, tmp_path):
    with pytest.raises(HarnessError) as caught:
        find(spec, tmp_path / "nowhere", cache=tmp_path / "cache")
    for part in ("fus_0280.pth", "https://example.org/weights", "cache/weights/umfusion"):
        assert part in str(caught.value)


def test_a_wrong_file_of_the_right_name_is_refused(spec, tmp_path):
    mirror = tmp_path / "wrong"
    mirror.mkdir()
    (mirror / "fus_0280.pth").write_bytes(b"something else")
    with pytest.raises(HarnessError, match="fus_0280"):
        find(spec, mirror, cache=tmp_path / "cache")
    placed = tmp_path / "cache" / "weights" / "umfusion" / "fus_0280.pth"
    placed.parent.mkdir(parents=True, exist_ok=True)
    placed.write_bytes(b"something else")
    with pytest.raises(HarnessError, match="bytes, expected"):
        find(spec, mirror, cache=tmp_path / "cache")


def test_a_users_file_is_called_so_unless_it_is_the_authors(spec, tmp_path):
    own = tmp_path / "own.pth"
    torch.save(UMFusion().state_dict(), own)
    assert choose_weights(spec, file=own).origin == "user"
    assert choose_weights(spec, file=tmp_path / "mirror" / "another name.pth").origin == "official"
    load_method(spec, CPU, own, 0)
    with pytest.raises(HarnessError, match="no such weight file"):
        choose_weights(spec, file=tmp_path / "missing.pth")


def test_a_file_without_checksums_is_the_authors_or_of_another_size(spec, tmp_path):
    state, old = UMFusion().state_dict(), tmp_path / "old.pth"
    torch.save(state, old, _use_new_zipfile_serialization=False)
    entry = {**weight_entry(spec), "bytes": old.stat().st_size}
    with pytest.raises(HarnessError, match=r"old\.pth: has the size of the authors' fus_0280\.pth"):
        choose_weights(replace(spec, weights=entry), file=old)
    assert choose_weights(spec, file=old).origin == "user"
    load_method(spec, CPU, old, 0)


def test_a_file_with_a_git_hash_only_is_found_and_verified(spec, tmp_path):
    authors = tmp_path / "mirror" / "another name.pth"
    content = authors.read_bytes()
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    entry = {"file": "fus_0280.pth", "git_blob": blob, "licence": "MIT"}
    spec = replace(spec, weights={"official": entry})
    assert choose_weights(spec, mirrors=[authors.parent]).origin == "official"
    assert choose_weights(spec, file=authors).origin == "official"
    wrong = tmp_path / "wrong"
    wrong.mkdir()
    (wrong / "fus_0280.pth").write_bytes(content[:-1] + b"?")
    with pytest.raises(HarnessError, match="fus_0280"):
        find(spec, wrong, cache=tmp_path / "other cache")


def test_keys_are_strict(tmp_path):
    state = UMFusion().state_dict()
    wrong = {**state, "extra": torch.zeros(1)}
    del wrong["head.bias"]
    torch.save(wrong, tmp_path / "wrong.pth")
    with pytest.raises(MethodFailure, match=r"missing head\.bias; unexpected extra"):
        load_weights(UMFusion(), tmp_path / "wrong.pth")
    torch.save({**state, "head.bias": torch.zeros(9)}, tmp_path / "shape.pth")
    with pytest.raises(MethodFailure, match="do not fit"):
        load_weights(UMFusion(), tmp_path / "shape.pth")


ODD = ["complex64", "complex128", "int64", "uint8", "bool", "float16", "bfloat16"]


@pytest.mark.parametrize("dtype", ODD)
@pytest.mark.parametrize("suffix", [".pth", ".npz", ".safetensors"])
def test_weights_of_another_kind_or_precision_are_refused_by_name(tmp_path, dtype, suffix):
    state = UMFusion().state_dict()
    state["head.bias"] = state["head.bias"].to(getattr(torch, dtype))
    path = tmp_path / f"odd{suffix}"
    if suffix == ".npz":
        if dtype == "bfloat16":
            pytest.skip("numpy has no such type")
        np.savez(path, **{key: tensor.numpy() for key, tensor in state.items()})
    elif suffix == ".safetensors":
        if dtype == "complex128":
            pytest.skip("the format has no such type")
        save_file(state, path)
    else:
        torch.save(state, path)
    found = f"odd.*head.bias holds torch.{dtype}, expected torch.float32"
    with pytest.raises(MethodFailure, match=found):
        load_weights(UMFusion(), path)


def test_weights_with_more_digits_are_taken(tmp_path):
    state = UMFusion().state_dict()
    double = {key: tensor.double() for key, tensor in state.items()}
    torch.save(double, tmp_path / "double.pth")
    method = UMFusion()
    load_weights(method, tmp_path / "double.pth")
    torch.testing.assert_close(method.state_dict(), state, rtol=0, atol=0)


def test_safetensors_are_weights_too_and_refused_when_damaged(tmp_path):
    state = {key: torch.randn_like(tensor) for key, tensor in UMFusion().state_dict().items()}
    path = tmp_path / "own.safetensors"
    save_file(state, path)
    method = UMFusion()
    load_weights(method, path)
    torch.testing.assert_close(method.state_dict(), state, rtol=0, atol=0)
    content = path.read_bytes()
    for damaged in (content[:-1], content[:20], b"", content[:8] + b"x" + content[9:]):
        path.write_bytes(damaged)
        with pytest.raises(HarnessError, match=r"own\.safetensors: not a readable safetensors"):
            load_weights(UMFusion(), path)


def test_nothing_in_a_file_is_executed(tmp_path):
    torch.save({"net": print}, tmp_path / "evil.pth")
    with pytest.raises(HarnessError, match="not a usable checkpoint"):
        load_weights(UMFusion(), tmp_path / "evil.pth")


def test_a_method_that_has_to_be_trained_says_so():
    with pytest.raises(MethodFailure, match="train it"):
        choose_weights(replace(discover()["umfusion"], weights=None))
    assert choose_weights(discover()["average"]) is None


def test_several_files_are_picked_by_option():
    tardal = discover()["tardal"]
    assert weight_entry(tardal)["file"] == "tardal-dt.pth"
    other = replace(tardal, options={"weights": "ct"})
    assert weight_entry(other)["file"] == "tardal-ct.pth"
    with pytest.raises(HarnessError, match="there are: dt, tt, ct"):
        weight_entry(replace(tardal, options={"weights": "xx"}))


def test_checkpoints_of_a_training(tmp_path):
    checkpoint = tmp_path / "checkpoint.pt"
    spec = discover()["umfusion"]
    with pytest.raises(HarnessError, match="no such checkpoint"):
        choose_weights(spec, checkpoint=checkpoint)
    torch.save({"model": UMFusion().state_dict()}, checkpoint)
    assert choose_weights(spec, checkpoint=checkpoint).origin == "retrained"
    record = Record("train", {})
    record.fail("loss not finite")
    record.write(tmp_path / "training.json", [checkpoint])
    with pytest.raises(MethodFailure, match="loss not finite"):
        choose_weights(spec, checkpoint=checkpoint)
