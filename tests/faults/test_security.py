"""Data never become code, and names never become shell commands."""

import importlib.metadata
import json
import os
import pickle
import re
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from PIL import Image

from harness.benchmark import Benchmark
from harness.commands.image_pairs import read_pair
from harness.disk.files import sha256
from harness.disk.schema import ROOT, check, read_yaml
from harness.errors import HarnessError
from harness.fetching.registry import SourcesFile, read_registry
from harness.fusing.command import exchange, fill, run_command
from harness.machine.isolation import USERS_PYTHONPATH
from harness.methods.checkpoints import load_checkpoint
from harness.methods.spec import MethodFile, MethodSpec, VariantsFile, read_method
from harness.methods.weights import load_weights
from harness.tiles.store import TileStore, map_array, read_fused
from harness.workflow import export_environment
from tests.helpers.faults import CONFIG
from tests.helpers.project import add_method_files, copy_project, snakemake

HOSTILE = [
    "a;touch pwned",
    "a b",
    "a'b",
    'a"b',
    "$(touch pwned)",
    "`touch pwned`",
    "..",
    "../a",
    "a/b",
    "/etc",
    "a\n",
    "a\ntouch pwned",
    "-rf",
    "{wildcards}",
    "a\0",
    "é",
    "",
    "a" * 300,
]


def configured(**changes):
    return Benchmark({**CONFIG, **changes})


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_refused(name, tmp_path):
    with pytest.raises(HarnessError, match=r"datasets|propert"):
        configured(datasets={name: CONFIG["datasets"]["town"]})
    with pytest.raises(HarnessError, match="no method"):
        configured(methods=[name])
    with pytest.raises(HarnessError, match="no method"):
        configured(stretched={name: ["minmax"]})
    with pytest.raises(HarnessError, match="no metric"):
        configured(metrics=[name])
    with pytest.raises(HarnessError, match="device"):
        configured(device=name)
    with pytest.raises(HarnessError, match="adapter"):
        configured(datasets={"town": {"adapter": name}})
    with pytest.raises(HarnessError, match="seeds"):
        configured(seeds=[name])
    with pytest.raises(HarnessError, match="variants"):
        check(VariantsFile, {name: {"title": "x", "options": {}}}, "variants.yaml")
    (tmp_path / "method.yaml").write_text(
        yaml.safe_dump({"name": name, "title": "x", "entry": "a:B"})
    )
    with pytest.raises(HarnessError, match=r"method\.yaml"):
        list(read_method(tmp_path))


@pytest.mark.parametrize(
    "file", ["../evil.pth", "/etc/passwd", "a/b.pth", "", "-x", ".hidden", "a\n"]
)
def test_files_are_named_without_folders(file):
    weights = {"file": file, "sha256": "0" * 64, "licence": "MIT"}
    method = {"name": "a", "title": "a", "entry": "a:B", "weights": weights}
    with pytest.raises(HarnessError, match="weights"):
        check(MethodFile, method, "method.yaml")
    group = {"title": "x", "licence": "x", "citation": "x", "page": "x", "files": [{"name": file}]}
    with pytest.raises(HarnessError, match="name"):
        check(SourcesFile, {"x": group}, "sources.yaml")


@pytest.mark.slow
def test_hostile_values_stay_single_arguments_of_the_jobs(tmp_path):
    """Values that may be anything: folders, titles, options, weight files."""
    folder = copy_project(tmp_path)
    evil = "a; touch pwned; $(touch pwned) `touch pwned` 'q' \"Q\" {x} {wildcards} ~ * \\ #\n-b"
    for kind in ("rgb", "ir"):
        (folder / evil / kind).mkdir(parents=True)
        pixels = np.random.default_rng(0).integers(0, 256, (48, 48, 3), dtype=np.uint8)
        picture = Image.fromarray(pixels if kind == "rgb" else pixels[..., 0])
        picture.save(folder / evil / kind / "x;touch pwned; $(touch pwned).png")
    config = {
        "title": evil,
        "tiles_root": evil,
        "mirror": [evil],
        "device": "cpu",
        "methods": ["words"],
        "overrides": {"words": {"options": {"words": evil}, "weights": f"{evil}/weights"}},
        "datasets": {
            "mine": {"adapter": "tiles", "options": {"root": "{tiles_root}", "title": evil}}
        },
    }
    (folder / evil / "weights").touch()
    code = "class Method:\n    def __init__(self, words): self.words = words\n"
    code += "    def fuse(self, infrared, visible): return infrared\n"
    description = "name: words\ntitle: words\nentry: code:Method\noptions: {words: x}\n"
    add_method_files(folder, "words", description, {"code.py": code})
    (folder / "evil.yaml").write_text(yaml.safe_dump(config))
    run = snakemake(folder, "results/tables/index.csv", configfile="evil.yaml")
    assert run.returncode == 0, run.stdout[-3000:]
    assert not list(folder.rglob("pwned"))
    assert json.loads((folder / "results/mine/tiles/dataset.json").read_text())["title"] == evil
    record = json.loads((folder / "results/mine/words/seed0/fused.json").read_text())
    assert record["config"]["options"] == {"words": evil}
    assert record["status"] == "ok", record


def test_arguments_of_commands_never_pass_a_shell(tmp_path, monkeypatch):
    scratch = tmp_path / "a b;$(touch pwned)'\""
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    code = "import sys, json; json.dump(sys.argv[1:], open(sys.argv[1] + '/seen', 'w'))"
    words = (sys.executable, "-c", code, "{output}", "$(touch pwned)", "{visible};x", "{x.y}{0}")
    spec = MethodSpec(name="echo", title="Echo", folder=tmp_path, command=words)
    with exchange(spec) as folders:
        run_command(spec, folders, torch.device("cpu"), 1)
        seen = json.loads((folders["output"] / "seen").read_text())
        output, visible = str(folders["output"]), str(folders["visible"])
    assert seen == [output, "$(touch pwned)", f"{visible};x", "{x.y}{0}"]
    assert not list(tmp_path.rglob("pwned"))


@pytest.mark.parametrize("users", [None, "", "/opt/theirs"])
def test_a_command_gets_the_users_own_search_path_of_python(tmp_path, monkeypatch, users):
    # Every variable that the export changes is set first, so that it is restored at the end.
    for name in ("PATH", "PYTHONPATH", USERS_PYTHONPATH):
        monkeypatch.setenv(name, os.environ.get(name, ""))
    monkeypatch.delenv(USERS_PYTHONPATH)
    monkeypatch.setenv("PYTHONPATH", users or "")
    if users is None:
        monkeypatch.delenv("PYTHONPATH")
    export_environment()
    # A job on another machine parses the workflow again.
    export_environment()
    assert str(ROOT) in os.environ["PYTHONPATH"]
    code = "import os, sys; print(os.environ.get('PYTHONPATH'), file=open(sys.argv[1], 'w'))"
    words = (sys.executable, "-c", code, "{output}/seen")
    spec = MethodSpec(name="asks", title="Asks", folder=tmp_path, command=words)
    with exchange(spec) as folders:
        run_command(spec, folders, torch.device("cpu"), 1)
        assert (folders["output"] / "seen").read_text().strip() == (users or "None")


def test_placeholders_reach_no_attribute():
    values = {"root": "{device}", "device": "cpu"}
    text = "{root} {root.__class__} {root[0]} {root!r:>9} {} {{root}} {other}"
    expected = "{device} {root.__class__} {root[0]} {root!r:>9} {} {{device}} {other}"
    assert fill(text, values) == expected
    options = {"adapter": "tiles", "options": {"root": "{tiles_root.__class__.__init__}"}}
    with pytest.raises(
        HarnessError, match=r"\{tiles_root.__class__.__init__\} does not exist|folder"
    ):
        configured(datasets={"town": options}, tiles_root="x")


class Evil:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def evil_files(folder, mark):
    """One malicious file of every kind that may hold pickled objects."""
    objects = np.array([Evil(mark)], dtype=object)
    np.save(folder / "evil.npy", objects, allow_pickle=True)
    np.savez(folder / "evil.npz", weight=objects)
    torch.save({"model": Evil(mark)}, folder / "evil.pt")
    torch.save(Evil(mark), folder / "evil.pth", _use_new_zipfile_serialization=False)
    (folder / "evil.model").write_bytes(pickle.dumps({"model": Evil(mark)}))
    with zipfile.ZipFile(folder / "evil.zip", "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Evil(mark)))
        archive.writestr("archive/version", "3\n")


@pytest.mark.parametrize("kind", ["npy", "npz", "pt", "pth", "model", "zip"])
def test_pickles_in_files_are_never_executed(tmp_path, kind):
    mark = tmp_path / "pwned"
    evil_files(tmp_path, mark)
    file = tmp_path / f"evil.{kind}"
    gray = tmp_path / "gray.png"
    Image.fromarray(np.zeros((48, 48), np.uint8)).save(gray)
    readers = [
        load_checkpoint,
        map_array,
        lambda path: load_weights(torch.nn.Conv2d(1, 1, 1), path),
    ]
    if kind == "npy":
        record = {"artefacts": {file.name: sha256(file)}}
        readers += [lambda path: read_fused(path, record, []), lambda path: read_pair(path, gray)]
    for reader in readers:
        with pytest.raises(HarnessError, match=rf"evil\.{kind}"):
            reader(file)
    assert not mark.exists()
    assert np.load(tmp_path / "evil.npy", allow_pickle=True) is not None
    assert mark.exists(), "the file would have done harm"


def test_pickled_tiles_are_refused(tmp_path):
    mark = tmp_path / "pwned"
    (tmp_path / "dataset.json").write_text('{"classes": []}')
    (tmp_path / "manifest.csv").write_text("split,index,tile,scene,row,col,y,x\n")
    np.save(tmp_path / "test.npy", np.array([Evil(mark)], dtype=object), allow_pickle=True)
    with pytest.raises(HarnessError, match=r"test\.npy"):
        TileStore(tmp_path).tiles("test")
    assert not mark.exists()


TAGS = [
    "!!python/object/apply:os.system ['touch pwned']",
    "!!python/object/new:os.system ['touch pwned']",
    "!!python/name:os.system",
    "!!python/module:os",
    "!unknown x",
]


@pytest.mark.parametrize("tag", TAGS)
def test_tags_in_yaml_construct_nothing(tmp_path, monkeypatch, tag):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "method.yaml"
    path.write_text(f"name: {tag}\ntitle: x\nentry: a:B\n")
    for reader in (read_yaml, lambda path: list(read_method(path.parent)), read_registry):
        with pytest.raises(HarnessError, match=r"method\.yaml: cannot be read as YAML"):
            reader(path)
    assert not (tmp_path / "pwned").exists()


@pytest.mark.slow
def test_tags_in_the_configuration_construct_nothing(tmp_path):
    folder = copy_project(tmp_path)
    (folder / "evil.yaml").write_text(f"title: {TAGS[0]}\ndatasets: {{}}\n")
    run = snakemake(folder, "--dry-run", configfile="evil.yaml")
    assert run.returncode != 0
    assert not list(folder.rglob("pwned"))


def test_no_rule_puts_a_free_text_into_its_command():
    """Every value in a `shell:` block is quoted, or comes from a list of known words."""
    known = {
        # Paths made of checked names, and files found below the results.
        *("params.folder", "input.fused", "input.weights", "input.examples"),
        *("output.text", "output.fused", "output.table", "output.features", "output.page", "log"),
        *("output.weights", "wildcards.dataset", "wildcards.row", "wildcards.seed"),
        # Checked against the schema, the methods, the metrics or the adapters.
        *("params.adapter", "params.method", "params.metrics", "params.device"),
        *("params.stretches", "params.colour", "params.measuring"),
        *("params.tiling", "params.trained", "threads"),
        # Quoted where they are made.
        *("resources.mirrors", "resources.timeout", "resources.include", "resources.examples"),
        "params.images",
    }
    for path in (ROOT / "workflow" / "rules").glob("*.smk"):
        for block in re.findall(r"shell:\n((?:\s+\".*\"\n)+)", path.read_text()):
            for value in re.findall(r"\{([^{}]+)\}", block):
                assert value.endswith(":q") or value in known, f"{path.name}: {{{value}}}"


def test_a_dialect_is_a_known_word_before_it_enters_a_command():
    data = {"landsat7": {"dialect": "vifb; touch pwned"}}
    with pytest.raises(HarnessError, match="unknown dialect 'vifb; touch pwned'; known: "):
        Benchmark({"title": "t", "methods": ["average"], "datasets": data})


def test_no_module_evaluates_text_or_unpickles():
    """Nor hands a text to a shell."""
    words = (
        "eval(",
        "exec(",
        "pickle",
        "shell=True",
        "os.system",
        "yaml.load(",
        "allow_pickle=True",
    )
    for package in ("harness", "metrics", "reports", "segfanet"):
        for path in (ROOT / package).rglob("*.py"):
            # The safe loader, in C where there is one.
            text = path.read_text(encoding="utf-8").replace(".eval()", "")
            text = text.replace(
                'yaml.load(path.read_text(encoding="utf-8"), Loader=SafeLoader)', ""
            )
            for word in words:
                assert word not in text.replace("allow_pickle=False", ""), f"{path}: {word}"


def pins(*files):
    """Exact versions by normal name."""
    found = {}
    for file in files:
        for line in (ROOT / file).read_text(encoding="utf-8").splitlines():
            if line and not line.startswith(("#", "-r")):
                name, _, version = line.partition("==")
                assert version, f"{file}: {line!r} is no exact version"
                found[canonicalize_name(name)] = version
    return found


def test_every_package_that_is_installed_is_pinned_exactly():
    direct = pins("requirements.txt", "requirements-dev.txt")
    known = {**pins("constraints.txt"), **direct}
    waiting, seen = list(direct), set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        assert name in known, f"{name} is brought along, but not in constraints.txt"
        try:
            needs = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            # Optional here, as the plugin of a cluster.
            continue
        for text in needs:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(canonicalize_name(requirement.name))
    assert len(seen) > len(direct)
