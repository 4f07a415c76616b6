"""What identifies a result: files of a folder, a user's images, claims of jobs."""

import json
import os
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.disk.code import digests, files_of_folder
from harness.disk.identity import described, differences, identifier
from harness.disk.inventory import Inventory
from harness.disk.records import Asked, Claim, Record, read_asked, read_record
from harness.errors import HarnessError
from harness.methods.chosen_weights import OFFICIAL, weights_content
from harness.methods.spec import MethodSpec
from harness.stages import identity


def write(folder, **files):
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_every_file_that_code_can_read_counts(tmp_path):
    folder = write(
        tmp_path / "mine", model_dot_py="x = 1", data_dot_bin="1", deep__table_dot_csv="2",
        README_dot_md="words", _dot_hidden="3", deep___dot_git__config="4",
        demonstration__weights_dot_pt="5", deep__model_dot_pyc="6",
    )  # fmt: skip
    write(tmp_path / "linked", more_dot_txt="7")
    (folder / "link").symlink_to(tmp_path / "linked")
    (folder / "circle").symlink_to(folder)
    found = files_of_folder(folder, without=("demonstration",))
    names = [str(path.relative_to(folder)) for path in found]
    assert names == ["data.bin", "deep/table.csv", "link/more.txt", "model.py"]
    before = digests(found, tmp_path)
    for path in found:
        text = path.read_text()
        path.write_text("y = 2")
        now = digests(found, tmp_path)
        assert [name for name in now if now[name] != before[name]] == [
            str(path.relative_to(tmp_path))
        ]
        path.write_text(text)


@pytest.fixture
def images(tmp_path):
    return write(tmp_path / "images", a_dot_png="1", deep__b_dot_png="22", README_dot_md="x")


def kept(path):
    return json.loads(path.read_text())


def test_an_inventory_reads_only_what_changed(tmp_path, images, monkeypatch):
    path = tmp_path / "sources.json"
    inventory = Inventory([images], path)
    first = inventory.content()
    read = []
    real = "harness.disk.inventory.sha256"
    from harness.disk.files import sha256

    monkeypatch.setattr(real, lambda file: read.append(file.name) or sha256(file))
    assert inventory.content() == first
    assert read == []
    (images / "a.png").touch()
    assert inventory.content() == first
    assert read == ["a.png"]
    assert inventory.content() == first
    assert read == ["a.png"]


@pytest.mark.parametrize("change", ["edit", "set back", "add", "delete", "rename", "swap"])
def test_an_inventory_sees_every_change(tmp_path, images, change):
    path = tmp_path / "sources.json"
    first = Inventory([images], path).content()
    file = images / "a.png"
    status = file.stat()
    if change == "edit":
        file.write_text("3")
    elif change == "set back":
        file.write_text("3")
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    elif change == "add":
        (images / "c.png").write_text("3")
    elif change == "delete":
        file.unlink()
    elif change == "rename":
        file.rename(images / "z.png")
    else:
        (images / "deep" / "b.png").write_text("1")
        file.write_text("22")
    assert Inventory([images], path).content() != first


def test_an_inventory_does_not_depend_on_the_place(tmp_path, images):
    first = Inventory([images], tmp_path / "one.json").content()
    moved = tmp_path / "moved"
    shutil.copytree(images, moved)
    (moved / "README.md").write_text("other words")
    (moved / ".hidden").write_text("other words")
    assert Inventory([moved], tmp_path / "two.json").content() == first
    (tmp_path / "two.json").write_text('{"0/a.png": [1, 2], "x": null')
    assert Inventory([moved], tmp_path / "two.json").content() == first


VALUES = st.integers(0, 2) | st.booleans() | st.floats(0, 2) | st.text(max_size=5)
NAMES = st.dictionaries(st.text(max_size=5), VALUES, max_size=4)


@given(NAMES, NAMES)
def test_requests_differ_if_and_only_if_words_say_where(a, b):
    assert bool(differences(a, b)) == (identifier(a) != identifier(b))


def test_files_that_differ_are_named():
    before = {"code": {"a.py": "1", "b.py": "2"}, "seed": 0}
    now = {"code": {"a.py": "1", "b.py": "3", "c.py": "4"}, "seed": 1}
    assert differences(before, now) == "code: b.py, c.py; seed: 0 became 1"
    assert described({"method": "mine", "seed": 1}).endswith("(method mine, seed 1)")


def request(**more):
    return {"stage": "fuse", "method": "mine", "seed": 0, **more}


def made(path, request, **asked):
    path.parent.mkdir(parents=True, exist_ok=True)
    claim = Claim(path, Asked(**asked), lambda: request)
    artefact = path.with_suffix(".txt")
    artefact.write_text(json.dumps(request))
    Record("stage", {}, claim=claim).write(path, [artefact])
    return path


def test_a_job_that_makes_something_else_is_refused(tmp_path):
    path = tmp_path / "fused.json"
    wanted = identifier(request(seed=1))
    with pytest.raises(HarnessError, match=rf"makes .*seed 0.* but {wanted} was asked for"):
        made(path, request(), makes={str(path): wanted})
    assert not path.exists()
    made(path, request(), makes={str(path): identifier(request())})
    assert read_record(path)["identity"] == {"request": request(), "inputs": {}}


def test_what_changes_while_a_job_runs_is_named_and_nothing_is_written(tmp_path):
    path = tmp_path / "fused.json"
    now = request(code={"a.py": "1"})
    claim = Claim(path, Asked(), lambda: now)
    now = request(code={"a.py": "2"})
    with pytest.raises(HarnessError, match=r"changed while the job ran: code: a.py"):
        Record("fuse", {}, claim=claim).write(path, [])
    assert not path.exists()


def test_a_record_is_refused_when_what_it_was_made_from_is_another(tmp_path):
    store, training, fused = (tmp_path / f"{name}.json" for name in ("store", "training", "fused"))
    made(store, request(stage="prepare"))
    reads = {str(store): identifier(request(stage="prepare"))}
    made(training, request(stage="train"), reads=reads)
    made(fused, request(), reads={str(training): identifier(request(stage="train"))})
    wanted = identifier(request())
    assert read_asked(fused, wanted)["status"] == "ok"
    with pytest.raises(HarnessError, match=r"belongs to .*method mine.* but 0123 was asked for"):
        read_asked(fused, "0123")
    made(store, request(stage="prepare"))
    assert read_asked(fused, wanted)["status"] == "ok", "the same content, made again"
    made(store, request(stage="prepare", tiling=2))
    with pytest.raises(HarnessError, match=r"training.json: was made from .*store.json is"):
        read_asked(fused, wanted)


def test_weights_count_by_their_content(tmp_path):
    spec = MethodSpec(name="mine", title="Mine", folder=tmp_path)
    file = tmp_path / "weights.pt"
    file.write_bytes(b"1")
    assert weights_content(spec, OFFICIAL, trained=False) == ""
    assert weights_content(spec, str(file), trained=True) == "train"
    first = weights_content(spec, str(file), trained=False)
    file.write_bytes(b"2")
    assert weights_content(spec, str(file), trained=False) != first
    moved = file.rename(tmp_path / "other.pt")
    moved.write_bytes(b"1")
    assert weights_content(spec, str(moved), trained=False) == first


def test_places_and_the_pace_of_checkpoints_are_no_part_of_an_identity(tmp_path):
    spec = MethodSpec(name="mine", title="Mine", folder=tmp_path)
    recipe = {"steps": 3, "checkpoint_seconds": 1}
    first = identity.train(spec, recipe, 0, "cpu")
    assert identity.train(spec, {**recipe, "checkpoint_seconds": 9}, 0, "cpu") == first
    for other in (
        identity.train(spec, {**recipe, "steps": 4}, 0, "cpu"),
        identity.train(spec, recipe, 1, "cpu"),
        identity.train(spec, recipe, 0, "cuda"),
    ):
        assert other != first
    text = json.dumps([first, identity.prepare("tiles", {"root": "x"}, {}, [], tmp_path)])
    assert str(tmp_path) not in text
    assert "root" not in text
