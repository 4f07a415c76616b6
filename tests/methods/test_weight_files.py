"""Weight files of every network with published weights, when damaged, foreign or truncated."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch

import harness.methods.weights
from harness.errors import HarnessError
from harness.fusing.inference import load_method
from harness.methods.spec import discover
from harness.methods.weights import choose_weights
from tests.helpers.shared_data import SHARED, need

CPU = torch.device("cpu")
NETWORKS = (
    "cddfuse", "datfuse", "densefuse", "freefusion", "ifcnn", "lrrnet", "mmdrfuse", "pfcfuse",
    "sage", "seafusion", "sfdfusion", "stdfusionnet", "u2fusion",
)  # fmt: skip
FOLDERS = {"stdfusionnet": ("2021", "2022")}
OUT_OF_REACH = ("cddfuse", "freefusion")
"""Networks whose authors' file is not at hand: a file of the same kind stands for it."""
FILES = [(name, folder) for name in NETWORKS for folder in FOLDERS.get(name, ("",))]


def whole_file(spec, folder, place):
    """Return the authors' weight file, or one of its kind."""
    if spec.name in OUT_OF_REACH:
        torch.save({"state_dict": spec.load().state_dict()}, place / "whole.pth")
        return place / "whole.pth"
    options = {"weights": "y2022"} if folder == "2022" else {}
    spec = replace(spec, options={**spec.options, **options})
    return choose_weights(spec, mirrors=[need(SHARED / "methods" / spec.name / folder)]).path


def refuse(spec, file):
    """Demand that the file is refused by its name, whichever step reads it first."""
    with pytest.raises(HarnessError, match=rf"{file.stem}\{file.suffix}: .+"):
        load_method(spec, CPU, choose_weights(spec, file=file).path, 0)


@pytest.mark.parametrize(("name", "folder"), FILES)
def test_a_truncated_file_is_refused_by_name(name, folder, tmp_path):
    spec = discover()[name]
    content = whole_file(spec, folder, tmp_path).read_bytes()
    for title, size in {"short": len(content) - 1, "half": len(content) // 2, "bit": 9}.items():
        file = tmp_path / f"{title}.pth"
        file.write_bytes(content[:size])
        refuse(spec, file)


@pytest.mark.parametrize(("name", "folder"), FILES)
def test_a_damaged_byte_never_becomes_a_weight(name, folder, tmp_path):
    """Bytes between the parts of an archive have no meaning; every other byte is checked."""
    spec = discover()[name]
    whole = whole_file(spec, folder, tmp_path)
    expected, content = load_method(spec, CPU, whole, 0).state_dict(), whole.read_bytes()
    generator, refused = np.random.default_rng(len(content)), 0
    for place in generator.integers(len(content), size=12):
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(generator.integers(8))
        file = tmp_path / f"damaged{place}.pth"
        file.write_bytes(damaged)
        try:
            found = load_method(spec, CPU, choose_weights(spec, file=file).path, 0).state_dict()
        except HarnessError as error:
            assert file.name in str(error)
            refused += 1
        else:
            assert all(torch.equal(found[key], expected[key]) for key in expected), place
    assert refused >= 4


@pytest.mark.parametrize("name", NETWORKS)
def test_a_foreign_file_is_refused_by_name(name, tmp_path):
    spec = discover()[name]
    weights = {"layer.weight": torch.zeros(3, 3)}
    for title, state in {
        "plain": weights,
        "words": {"author": "somebody", "fuse_net": "nothing", "DIDF_Encoder": 3},
        "nested": {"fuse_net": weights},
        "list": [torch.zeros(3)],
        "nothing": {},
    }.items():
        torch.save(state, tmp_path / f"{title}.pth")
        torch.save(state, tmp_path / f"old_{title}.pth", _use_new_zipfile_serialization=False)
    (tmp_path / "empty.pth").touch()
    (tmp_path / "text.pth").write_text("<html>429: too many requests</html>")
    (tmp_path / "pickle.pth").write_bytes(pickle.dumps({"a": 1}))
    (tmp_path / "zeros.pth").write_bytes(bytes(4096))
    np.savez(tmp_path / "arrays.npz", a=np.zeros(3))
    (tmp_path / "text.npz").write_text("not an archive")
    header = b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    (tmp_path / "safe.safetensors").write_bytes(
        len(header).to_bytes(8, "little") + header + bytes(4)
    )
    for file in sorted(tmp_path.iterdir()):
        refuse(spec, file)


@pytest.mark.parametrize("name", NETWORKS)
def test_files_of_other_networks_are_refused_by_name(name, tmp_path):
    for other in set(NETWORKS) - {name}:
        file = tmp_path / f"{other}.pth"
        torch.save(discover()[other].load().state_dict(), file)
        refuse(discover()[name], file)


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


@pytest.mark.parametrize("name", sorted(set(NETWORKS) - set(OUT_OF_REACH)))
def test_a_wrong_file_in_a_mirror_is_passed_over_and_named(name, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(harness.methods.weights, "CACHE", tmp_path / "cache")
    spec = discover()[name]
    entries = {
        key: {word: value for word, value in entry.items() if word != "url"}
        for key, entry in spec.weight_files.items()
    }
    spec = replace(spec, weights=entries)
    file = next(iter(entries.values()))["file"]
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / file).write_bytes(b"\0" * next(iter(entries.values()))["bytes"])
    with pytest.raises(HarnessError, match=file):
        choose_weights(spec, mirrors=[mirror])
    assert "passed over: its sha256 is" in capsys.readouterr().err
