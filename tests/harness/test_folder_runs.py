"""`fuse` of two folders: all pairs are tried, and what is finished is not fused again."""

import shutil
import sys
from argparse import Namespace

import numpy as np
import pytest
import torch
from PIL import Image

import harness.commands.pair_fusion
from harness.commands import fuse
from harness.commands.folder_run import RECORD
from harness.commands.image_pairs import write_pixels
from harness.errors import HarnessError, StorageError
from harness.methods.spec import find_method

COMMAND = """\
import sys, pathlib
from PIL import Image
infrared, visible, output = map(pathlib.Path, sys.argv[1:])
for file in infrared.glob("*.png"):
    with Image.open(file) as first:
        if first.size != (31, 31):
            Image.blend(first, Image.open(visible / file.name), 0.5).save(output / file.name)
"""


@pytest.fixture
def scene(tmp_path):
    """Four pairs in two folders, the second of which is damaged."""
    rng = np.random.default_rng(0)
    for folder in ("ir", "vi"):
        (tmp_path / folder).mkdir()
        for name in "abcd":
            pixels = rng.integers(0, 256, (40, 50), np.uint8)
            Image.fromarray(pixels).save(tmp_path / folder / f"{name}.png")
    (tmp_path / "ir" / "b.png").write_bytes(b"no image")
    return tmp_path


@pytest.fixture
def written(monkeypatch):
    """The names of the images that are written."""
    names = []

    def write(path, *arguments):
        names.append(path.name)
        write_pixels(path, *arguments)

    monkeypatch.setattr(harness.commands.image_pairs, "write_pixels", write)
    monkeypatch.setattr(harness.commands.pair_fusion, "write_pixels", write)
    return names


def run(scene, method="average", **other):
    defaults = {
        "checkpoint": None, "weights": "official", "mirror": [], "option": [], "device": "cpu",
        "as_published": False, "gray": False, "threads": 1, "quantise": None, "again": False,
        "include": [],
    }  # fmt: skip
    paths = {"infrared": scene / "ir", "visible": scene / "vi", "output": scene / "out"}
    fuse.run(Namespace(method=method, **{**defaults, **paths, **other}))


def images(folder):
    return sorted(path.name for path in folder.glob("*.png"))


def external(scene):
    """Add a method that is a program, which leaves out images of one size."""
    folder = scene / "methods" / "blend"
    folder.mkdir(parents=True)
    (folder / "blend.py").write_text(COMMAND)
    words = f"[{sys.executable}, blend.py, '{{infrared}}', '{{visible}}', '{{output}}']"
    (folder / "method.yaml").write_text(f"name: blend\ntitle: Blend\ncommand: {words}\n")
    return {"method": "blend", "include": [scene / "methods"]}


@pytest.mark.parametrize("how", ["class", "command"])
def test_a_bad_image_stops_no_other_and_is_listed_at_the_end(scene, written, how):
    method = external(scene) if how == "command" else {}
    with pytest.raises(HarnessError) as error:
        run(scene, **method)
    lines = str(error.value).splitlines()
    assert lines[0] == "1 of 4 pairs failed"
    assert "b.png: not a readable image" in lines[1]
    assert images(scene / "out") == ["a.png", "c.png", "d.png"]
    shutil.copy(scene / "ir" / "a.png", scene / "ir" / "b.png")
    written.clear()
    run(scene, **method)
    assert written == ["b.png"]
    written.clear()
    run(scene, **method)
    assert written == []
    run(scene, again=True, **method)
    assert written == ["a.png", "b.png", "c.png", "d.png"]


def test_an_output_that_a_program_leaves_out_is_listed(scene):
    for folder in ("ir", "vi"):
        Image.new("L", (31, 31)).save(scene / folder / "c.png")
    with pytest.raises(HarnessError, match=r"2 of 4 pairs failed\n.*b\.png[^$]*no readable output"):
        run(scene, **external(scene))
    assert images(scene / "out") == ["a.png", "d.png"]


CHANGES = {
    "source": lambda scene: shutil.copy(scene / "vi" / "d.png", scene / "vi" / "a.png"),
    "output": lambda scene: (scene / "out" / "a.png").write_bytes(b"edited"),
    "output gone": lambda scene: (scene / "out" / "a.png").unlink(),
    "last line cut": lambda scene: cut(scene / "out" / RECORD),
}


def cut(path):
    """Leave the record as a kill may: of the line of `a.png` only a part is written."""
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines[1:], lines[0][:30]]))


@pytest.mark.parametrize("change", CHANGES)
def test_what_changed_is_fused_again(scene, written, change):
    shutil.copy(scene / "ir" / "a.png", scene / "ir" / "b.png")
    run(scene)
    written.clear()
    CHANGES[change](scene)
    run(scene)
    assert written == ["a.png"]


@pytest.mark.parametrize(
    "other",
    [{"method": "visible"}, {"gray": True}, {"quantise": "round"}, {"method": "ifcnn_like"}],
)
def test_another_request_is_another_result(scene, written, other):
    shutil.copy(scene / "ir" / "a.png", scene / "ir" / "b.png")
    run(scene)
    written.clear()
    if other == {"method": "ifcnn_like"}:
        other = external(scene)
    run(scene, **other)
    assert len(written) == 4


def test_code_that_changed_is_another_request(scene, written):
    shutil.copy(scene / "ir" / "a.png", scene / "ir" / "b.png")
    method = external(scene)
    run(scene, **method)
    script = scene / "methods" / "blend" / "blend.py"
    script.write_text(script.read_text().replace("0.5", "0.25"))
    written.clear()
    run(scene, **method)
    assert len(written) == 4


def test_a_disk_that_refuses_ends_the_run_at_once(scene, monkeypatch):
    shutil.copy(scene / "ir" / "a.png", scene / "ir" / "b.png")
    tried = []

    def full(path, *_):
        tried.append(path)
        raise StorageError(f"{path}: the disk is full")

    monkeypatch.setattr(harness.commands.image_pairs, "write_pixels", full)
    with pytest.raises(StorageError):
        run(scene)
    assert len(tried) == 1


def test_two_single_files_have_no_record(scene):
    paths = {"infrared": scene / "ir" / "a.png", "visible": scene / "vi" / "a.png"}
    run(scene, **paths, output=scene / "one.png")
    assert not (scene / RECORD).exists()
    with pytest.raises(HarnessError, match=r"^.*b\.png: not a readable image"):
        run(scene, **{**paths, "infrared": scene / "ir" / "b.png"}, output=scene / "two.png")


def test_images_are_truncated_or_rounded(scene):
    paths = {"infrared": scene / "ir" / "a.png", "visible": scene / "vi" / "a.png"}
    pixels = []
    for rule in (None, "truncate", "round"):
        run(scene, **paths, output=scene / f"{rule}.png", quantise=rule)
        with Image.open(scene / f"{rule}.png") as image:
            pixels.append(np.asarray(image).astype(int))
    np.testing.assert_array_equal(pixels[0], pixels[1])
    assert set(np.unique(pixels[2] - pixels[1])) == {0, 1}
    with pytest.raises(HarnessError, match="--quantise round: --as-published quantises"):
        run(scene, "ydtr", **paths, output=scene / "o.png", quantise="round", as_published=True)


def test_tardal_with_the_statistics_of_eight_images_is_a_folder_of_two_files(tmp_path):
    """As its README says: a method beside others takes the network, and another batch."""
    folder = tmp_path / "tardal_eight"
    folder.mkdir()
    (folder / "model.py").write_text("from baselines.tardal.model import TarDAL\n")
    text = "name: tardal_eight\ntitle: TarDAL, eight at once\nentry: model:TarDAL\n"
    (folder / "method.yaml").write_text(f"{text}batch: 8\noptions: {{statistics: batch}}\n")
    spec = find_method("tardal_eight", {}, [tmp_path])
    assert spec.batch == 8
    torch.manual_seed(0)
    method = spec.load_for(0).eval()
    pair = torch.rand(2, 8, 1, 32, 32)
    with torch.no_grad():
        together, alone = method.fuse(*pair), method.fuse(*pair[:, :1])
    assert (together[:1] - alone).abs().max() > 1e-3
