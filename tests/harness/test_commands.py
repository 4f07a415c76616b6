"""The command line for people, in a process of its own where that matters."""

import importlib
import os
import re
import shutil
import subprocess
import sys
from argparse import Namespace

import numpy as np
import pytest
import torch
from PIL import Image

import baselines
import harness.methods.spec
from baselines.umfusion.model import UMFusion
from harness.commands import fuse, methods, new_baseline
from harness.commands.folder_run import RECORD
from harness.commands.image_pairs import list_pairs, read_pair
from harness.disk.records import Record
from harness.disk.schema import ROOT
from harness.errors import HarnessError
from harness.methods.recipe import Recipe
from harness.methods.spec import discover, read_method
from harness.pixels import quantise
from harness.training.engine import Task, Training
from metrics.images import read_grey
from tests.helpers import contract
from tests.helpers.shared_data import CHECKPOINTS, golden, need


@pytest.fixture
def scene(tmp_path):
    """An infrared picture and a visible one in colour, 41×53, on disk in several forms."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (41, 53, 4), dtype=np.uint8)
    Image.fromarray(pixels[..., 3]).save(tmp_path / "ir.png")
    Image.fromarray(pixels[..., :3]).save(tmp_path / "rgb.png")
    Image.fromarray(pixels[..., 0]).save(tmp_path / "gray.png")
    np.save(tmp_path / "ir.npy", pixels[..., 3].astype(np.float32) / 255)
    np.save(tmp_path / "gray.npy", pixels[..., 0].astype(np.float32) / 255)
    return tmp_path


def run(method, infrared, visible, output, **other):
    defaults = {
        "checkpoint": None, "weights": "official", "mirror": [], "option": [], "device": "cpu",
        "as_published": False, "gray": False, "quantise": None, "again": False,
        "threads": 1,
    }  # fmt: skip
    arguments = {"method": method, "infrared": infrared, "visible": visible, "output": output}
    fuse.run(Namespace(**{"include": [], **defaults, **arguments, **other}))
    return output


def test_gray_pictures_give_the_truncated_average(scene):
    output = run("average", scene / "ir.png", scene / "gray.png", scene / "out.png")
    infrared, visible = (np.asarray(Image.open(scene / name)) for name in ("ir.png", "gray.png"))
    with Image.open(output) as image:
        assert image.mode == "L"
        expected = (infrared.astype(int) + visible) // 2
        assert np.abs(np.asarray(image).astype(int) - expected).max() <= 1


def test_colour_is_kept_and_luma_fused(scene):
    output = run("visible", scene / "ir.png", scene / "rgb.png", scene / "out.png")
    with Image.open(output) as fused, Image.open(scene / "rgb.png") as visible:
        assert fused.mode == "RGB"
        assert np.abs(np.asarray(fused).astype(int) - np.asarray(visible)).max() <= 2


def test_arrays_stay_raw_floats(scene):
    output = run("average", scene / "ir.npy", scene / "gray.npy", scene / "out.npy")
    fused = np.load(output)
    assert fused.dtype == np.float32
    expected = (np.load(scene / "ir.npy") + np.load(scene / "gray.npy")) / 2
    assert np.abs(fused - expected).max() < 1e-7
    laplacian = run("laplacian_pyramid", scene / "ir.npy", scene / "gray.npy", scene / "raw.npy")
    assert np.load(laplacian).max() > 1, "a raw output is not clamped"


def test_sixteen_bit_infrared_is_refused_because_its_scale_is_unknown(scene):
    deep = np.asarray(Image.open(scene / "ir.png")).astype(np.uint16) * 257
    Image.fromarray(deep).save(scene / "deep.png")
    with pytest.raises(HarnessError, match=r"deep.png: 16-bit PNG, expected 8 bits .*scale"):
        read_pair(scene / "deep.png", scene / "gray.png")


def test_gray_output_is_the_luma_that_the_workflow_measures(scene):
    colour = run("average", scene / "ir.png", scene / "rgb.png", scene / "colour.png")
    gray = run("average", scene / "ir.png", scene / "rgb.png", scene / "gray_out.png", gray=True)
    infrared, visible = read_grey(scene / "ir.png"), read_grey(scene / "rgb.png")
    with Image.open(colour) as first, Image.open(gray) as second:
        assert (first.mode, second.mode) == ("RGB", "L")
        fused = (infrared / np.float32(255) + visible / np.float32(255)) / np.float32(2)
        np.testing.assert_array_equal(np.asarray(second), quantise(fused.astype(np.float32)))
    for name in ("out.npy", "out.jpg"):
        with pytest.raises(HarnessError, match="expected a lossless image"):
            run("average", scene / "ir.png", scene / "rgb.png", scene / name, gray=True)


def test_folders_are_matched_by_name(scene):
    for kind, source in (("ir", "ir.png"), ("vi", "rgb.png")):
        (scene / kind).mkdir()
        for name in ("one", "two"):
            (scene / kind / f"{name}.png").write_bytes((scene / source).read_bytes())
    run("average", scene / "ir", scene / "vi", scene / "out")
    written = {path.name for path in (scene / "out").iterdir()} - {RECORD}
    assert written == {"one.png", "two.png"}
    (scene / "ir" / "three.png").write_bytes(b"")
    with pytest.raises(HarnessError, match="no partner for three"):
        list_pairs(scene / "ir", scene / "vi", scene / "out")


@pytest.mark.parametrize(
    ("infrared", "visible", "output", "message"),
    [
        ("missing.png", "gray.png", "o.png", "no such file"),
        ("broken.png", "gray.png", "o.png", "not a readable image"),
        ("small.npy", "gray.npy", "o.npy", "sizes differ"),
        ("wide.npy", "gray.npy", "o.npy", r"leave \[0, 1\]"),
        ("bytes.npy", "gray.npy", "o.npy", "expected float"),
        ("folder", "gray.png", "o.png", "two files or two folders"),
        ("ir.png", "gray.png", "o.txt", "write to one of"),
        ("float.tif", "gray.png", "o.png", "32-bit TIFF, expected 8 bits"),
    ],
)
def test_bad_input_is_named(scene, infrared, visible, output, message):
    (scene / "broken.png").write_bytes(b"no picture")
    (scene / "folder").mkdir()
    Image.fromarray(np.zeros((41, 53), np.float32)).save(scene / "float.tif")
    np.save(scene / "small.npy", np.zeros((9, 9), np.float32))
    np.save(scene / "wide.npy", np.full((41, 53), 1.5, np.float32))
    np.save(scene / "bytes.npy", np.zeros((41, 53), np.uint8))
    with pytest.raises(HarnessError, match=message):
        run("average", scene / infrared, scene / visible, scene / output)
    assert not (scene / output).exists()


def test_a_users_weights_and_options(scene, capsys):
    torch.manual_seed(0)
    state = UMFusion().state_dict()
    torch.save({"net": state}, scene / "own.pth")
    np.savez(scene / "own.npz", **{key: tensor.numpy() for key, tensor in state.items()})
    run(
        "umfusion", scene / "ir.npy", scene / "gray.npy", scene / "o.npy", weights=scene / "own.pth"
    )
    assert "given by you" in capsys.readouterr().out
    expected = np.load(scene / "o.npy")
    run(
        "umfusion", scene / "ir.npy", scene / "gray.npy", scene / "o.npy", weights=scene / "own.npz"
    )
    assert np.array_equal(np.load(scene / "o.npy"), expected)
    with pytest.raises(HarnessError, match="segfanet: has no published weights"):
        run("segfanet", scene / "ir.npy", scene / "gray.npy", scene / "o.npy")
    with pytest.raises(HarnessError, match="no weights 'zz'"):
        run(
            "tardal",
            scene / "ir.npy",
            scene / "gray.npy",
            scene / "o.npy",
            option=[("weights", "zz")],
        )


def test_a_trained_checkpoint_brings_its_options(scene):
    options = {"width": 4, "pool": [4, 4, 4], "sinets": 3, "irm": True, "cam": True}
    method = discover()["segfanet"].load(**options, classes=2)
    tiles = np.random.default_rng(0).integers(0, 2, (2, 5, 48, 48), dtype=np.uint8)
    training = Training(method, Task(Recipe(steps=1), tiles, ["a", "b"], torch.device("cpu")))
    training.save(scene / "checkpoint.pt")
    record = Record("train", {"method": "segfanet", "options": options}, {"classes": 2})
    record.write(scene / "training.json", [scene / "checkpoint.pt"])
    checkpoint = scene / "checkpoint.pt"
    output = run(
        "segfanet", scene / "ir.npy", scene / "gray.npy", scene / "o.npy", checkpoint=checkpoint
    )
    assert np.load(output).shape == (41, 53)
    with pytest.raises(HarnessError, match="holds segfanet, not ydtr"):
        run("ydtr", scene / "ir.npy", scene / "gray.npy", scene / "o.npy", checkpoint=checkpoint)


def test_the_whole_command_on_golden_data(tmp_path):
    """From arrays to an array, with the authors' weights found by their hash alone."""
    need(CHECKPOINTS)
    data = golden("ydtr")
    for key in ("ir", "vi"):
        np.save(tmp_path / f"{key}.npy", data[f"{key}_1"][0, 0])
    arguments = ["fuse", "ydtr", "--infrared", "ir.npy", "--visible", "vi.npy", "-o", "fused.npy"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(
        [sys.executable, "-m", "harness", *arguments, "--mirror", str(CHECKPOINTS)],
        check=True, cwd=tmp_path, env=environment, capture_output=True,
    )  # fmt: skip
    assert np.abs(np.load(tmp_path / "fused.npy") - data["out_1"][0, 0]).max() <= 1e-5


def test_a_mirror_has_to_exist(scene):
    with pytest.raises(HarnessError, match="no such folder"):
        run("ydtr", scene / "ir.npy", scene / "gray.npy", scene / "o.npy", mirror=[scene / "no"])


def fused_onto(scene, spelling):
    """Return an output that is the infrared image under another spelling."""
    source = scene / "ir.png"
    if spelling == "dots":
        return scene / "folder" / ".." / "ir.png"
    if spelling == "symbolic link":
        (scene / "link.png").symlink_to(source)
    else:
        (scene / "link.png").hardlink_to(source)
    return scene / "link.png"


@pytest.mark.parametrize("spelling", ["dots", "symbolic link", "hard link"])
def test_a_source_image_is_never_overwritten(scene, spelling):
    (scene / "folder").mkdir()
    output = fused_onto(scene, spelling)
    before = (scene / "ir.png").read_bytes()
    with pytest.raises(HarnessError, match="is the same file or folder as the input"):
        run("average", scene / "ir.png", scene / "gray.png", output)
    assert output.read_bytes() == before


@pytest.mark.parametrize("output", ["ir", "vi", "ir/../vi", "link", "copies"])
def test_a_source_folder_is_never_written_to(scene, output):
    for folder, name in (("ir", "ir.png"), ("vi", "gray.png")):
        (scene / folder).mkdir()
        (scene / folder / "one.bmp").write_bytes((scene / name).read_bytes())
    (scene / "link").symlink_to(scene / "ir")
    (scene / "copies").mkdir()
    (scene / "copies" / "one.png").hardlink_to(scene / "ir" / "one.bmp")
    before = sorted(scene.rglob("*"))
    with pytest.raises(HarnessError, match="is the same file or folder as the input"):
        run("average", scene / "ir", scene / "vi", scene / output)
    assert sorted(scene.rglob("*")) == before


def test_one_folder_may_hold_both_sources_but_not_the_output(scene):
    (scene / "both").mkdir()
    (scene / "both" / "one.png").write_bytes((scene / "gray.png").read_bytes())
    run("average", scene / "both", scene / "both", scene / "out")
    assert (scene / "out" / "one.png").is_file()
    with pytest.raises(HarnessError, match="is the same file or folder as the input"):
        run("average", scene / "both", scene / "both", scene / "both")


@pytest.mark.parametrize("key", ["weights", "checkpoint"])
def test_weights_are_never_overwritten(scene, key):
    shutil.copy(scene / "ir.npy", scene / "own.npy")
    with pytest.raises(HarnessError, match="is the same file or folder as the input"):
        run(
            "umfusion", scene / "ir.npy", scene / "gray.npy", scene / "own.npy",
            **{key: scene / "own.npy"},
        )  # fmt: skip


def test_folders_are_not_fused_into_a_file(scene):
    (scene / "ir").mkdir()
    with pytest.raises(HarnessError, match="is a file, expected a folder"):
        run("average", scene / "ir", scene / "ir", scene / "gray.png")


def test_an_error_is_one_line_and_a_status(tmp_path):
    run = subprocess.run(
        [sys.executable, "-m", "harness", "fuse", "nothing", "--infrared", "a", "--visible", "b",
         "-o", "c"],
        check=False, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 1
    assert run.stderr.startswith("error: no method 'nothing'")
    assert "Traceback" not in run.stderr


def test_methods_are_listed(capsys):
    methods.run(Namespace(include=[]))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + len(discover())
    (tardal,) = (line for line in lines if line.split()[0] == "tardal")
    assert "dt, tt, ct, train" in tardal


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A root of its own for new folders, importable like the repository's."""
    monkeypatch.setattr(harness.methods.spec, "ROOT", tmp_path)
    monkeypatch.setattr(contract, "ROOT", tmp_path)
    places = [*baselines.__path__, str(tmp_path / "baselines")]
    monkeypatch.setattr(baselines, "__path__", places)
    importlib.invalidate_caches()
    return tmp_path


def test_a_new_baseline_keeps_the_contract(elsewhere):
    folder = new_baseline.write_baseline("brand_new", root=elsewhere)
    (spec,) = read_method(folder)
    assert (spec.title, spec.kind) == ("Brand new", "baseline")
    contract.check_shapes_and_values(spec)
    contract.check_repeatable(spec)
    contract.check_leaves_no_trace(spec)
    contract.check_folder_is_complete(spec)
    infrared, visible = contract.sources(1, 41, 41)
    fused = contract.call(spec, contract.construct(spec), infrared, visible)
    assert torch.equal(fused, (infrared + visible) / 2)


@pytest.mark.parametrize(("name", "message"), [("Bad Name", "lower-case"), ("ydtr", "exists")])
def test_a_new_baseline_needs_a_new_and_plain_name(name, message):
    with pytest.raises(HarnessError, match=message):
        new_baseline.write_baseline(name)
    with pytest.raises(HarnessError, match="taken"):
        new_baseline.run(Namespace(name="segfanet"))


def test_a_new_baseline_replaces_no_broken_link(tmp_path):
    (tmp_path / "baselines").mkdir()
    (tmp_path / "baselines" / "brand_new").symlink_to(tmp_path / "nowhere")
    with pytest.raises(HarnessError, match="exists already"):
        new_baseline.write_baseline("brand_new", root=tmp_path)


def test_the_walk_through_of_the_documentation_works(elsewhere):
    """The code and the description printed in docs/add-a-baseline.md are a valid method."""
    text = (ROOT / "docs" / "add-a-baseline.md").read_text(encoding="utf-8")
    folder = new_baseline.write_baseline("gradient_transfer", root=elsewhere)
    (model,) = re.findall(r"```python\n(\"\"\"Gradient.*?)```", text, flags=re.DOTALL)
    (described,) = re.findall(r"```yaml\n(name: gradient.*?)```", text, flags=re.DOTALL)
    (folder / "model.py").write_text(model, encoding="utf-8")
    (folder / "method.yaml").write_text(described, encoding="utf-8")
    (spec,) = read_method(folder)
    contract.check_shapes_and_values(spec)
    contract.check_repeatable(spec)
    contract.check_pictures_of_a_batch_are_independent(spec)
    contract.check_leaves_no_trace(spec)
    infrared, visible = contract.sources(1, 41, 53)
    method = contract.construct(spec)
    assert torch.allclose(method.fuse(visible, visible), visible, atol=1e-5)
    same_mean = method.fuse(infrared, visible).mean() - infrared.mean()
    assert abs(same_mean) < 1e-5
