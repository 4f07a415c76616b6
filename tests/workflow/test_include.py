"""Methods and adapters from folders outside the checkout."""

import pytest

from harness.benchmark import Benchmark
from harness.errors import HarnessError
from harness.methods.spec import discover, find_method
from harness.scenes.adapters import find_adapter
from harness.workflow import Job, Results
from tests.helpers.project import copy_project, edit, planned, snakemake

YAML = "name: {name}\ntitle: {name}\nentry: model:Method\ntrain: {{steps: 2, batch: 2}}\n"
MODEL = """\
import torch

from .layers import FACTOR


class Method(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(float(FACTOR)))

    def fuse(self, infrared, visible):
        return ((infrared + visible) / 2 * self.weight).clamp(0, 1)

    def training_loss(self, batch):
        return {"fusion": (self.weight * batch.infrared - batch.visible).abs().mean()}
"""
ADAPTER = """\
from harness.datasets.landsat7 import adapter as landsat7
from .names import TITLE


def check_options(options):
    return landsat7.check_options(options)


def open_dataset(options):
    from dataclasses import replace

    return replace(landsat7.open_dataset(options), title=TITLE)
"""


def write(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.fixture
def outside(tmp_path):
    files = {"lakes/adapter.py": ADAPTER, "lakes/names.py": "TITLE = 'Lakes'\n"}
    for name, factor in (("first", 1), ("second", 0.5)):
        files[f"{name}/method.yaml"] = YAML.format(name=name)
        files[f"{name}/model.py"] = MODEL
        files[f"{name}/layers.py"] = f"FACTOR = {factor}\n"
    return write(tmp_path / "outside", files)


def test_files_of_one_name_do_not_meet(outside):
    found = discover([outside])
    assert {"first", "second", "segfanet"} <= set(found)
    first, second = (find_method(name, {}, [outside]).load() for name in ("first", "second"))
    assert (float(first.weight), float(second.weight)) == (1, 0.5)
    assert find_adapter("lakes", [outside]).open_dataset({}).title == "Lakes"


def test_names_that_are_ours_are_refused(outside):
    write(outside, {"average/method.yaml": YAML.format(name="average")})
    with pytest.raises(HarnessError, match=r"the name 'average' is taken by .*baselines"):
        discover([outside])
    write(outside, {"tiles/adapter.py": ADAPTER})
    with pytest.raises(HarnessError, match=r"the name 'tiles' is taken by .*datasets"):
        find_adapter("lakes", [outside])


def test_a_folder_with_nothing_in_it_is_refused(tmp_path):
    config = {"title": "t", "include": str(tmp_path), "datasets": {"landsat7": None}}
    with pytest.raises(HarnessError, match=r"include: no folder in .* has"):
        Benchmark(config)


def test_code_of_an_outside_folder_is_followed(outside):
    config = {"title": "t", "include": str(outside), "datasets": {"lakes": None}}
    results = Results(Benchmark(config))
    code = results.request(Job("fuse", "lakes", "first"))["code"]
    assert {"first/method.yaml", "first/model.py", "first/layers.py"} <= set(code)
    code = results.request(Job("prepare", "lakes"))["code"]
    assert {"lakes/adapter.py", "lakes/names.py"} <= set(code)
    assert "harness/datasets/landsat7/adapter.py" in code


@pytest.mark.slow
def test_an_outside_method_and_adapter_run_and_rerun_on_edit(outside, tmp_path):
    folder = copy_project(tmp_path / "project")
    (folder / "tiny.yaml").write_text(
        "title: tiny\ndevice: cpu\ninclude: ../outside\nmethods: [first, second]\n"
        "datasets:\n  lakes: {tiling: {size: 320, stride: 320}}\n"
    )
    target = "results/tables/index.csv"
    run = snakemake(folder, target)
    assert run.returncode == 0, run.stdout[-3000:]
    for name in ("first", "second"):
        record = (folder / f"results/lakes/{name}/seed0/fused.json").read_text()
        assert '"status": "ok"' in record, record
    assert planned(folder, target) == {}
    edit(outside / "first/layers.py")
    assert planned(folder, target) == {
        **dict.fromkeys(("train", "fuse", "learning", "measure", "tables"), 1)
    }
    run = snakemake(folder, target)
    assert run.returncode == 0, run.stdout[-3000:]
    edit(outside / "lakes/names.py")
    assert planned(folder, target)["prepare"] == 1
