"""The whole path from scenes to a report, run as a user runs it."""

import csv
import hashlib
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from harness.disk.records import read_record
from harness.disk.schema import ROOT
from tests.helpers.project import (
    add_method,
    add_method_files,
    copy_project,
    edit,
    planned,
    snakemake,
)

pytestmark = pytest.mark.slow

BROKEN = {
    "raises": ("raise ZeroDivisionError('no luck')", "ZeroDivisionError: no luck"),
    "gives_nan": ("return visible * float('nan')", "pixels are not finite"),
    "gives_constant": ("return torch.full_like(visible, 0.5)", "constant output 0.5"),
    "wrong_shape": ("return visible[..., 1:]", "fuse returned shape"),
    "is_killed": ("import os; os.kill(os.getpid(), 9)", "killed (SIGKILL)"),
    "leaves": ("import os; os._exit(0)", "ended its process with exit status 0"),
    "too_bright": ("return visible + 1", r"expected [0, 1]"),
}

REPORTING = dict.fromkeys(("tables", "examples", "features", "audit", "report", "complete"), 1)
"""Jobs that follow when any value changes."""


@pytest.fixture
def finished(finished_workflow):
    return finished_workflow


def test_run_ends_with_a_report_and_records(finished):
    page = (finished / "results/report/index.html").read_text()
    assert "Table 1: Comparison on WHU-OPT-SAR" in page
    assert page.index("Demonstration data") < page.index("<h1>")
    assert "16.8724" in page, "the printed value of SegFANet stands in the table"
    seed = finished / "results/town/segfanet/seed0"
    record = json.loads((seed / "fused.json").read_text())
    assert record["status"] == "ok"
    assert set(record) >= {"git", "machine", "packages", "config_sha256", "artefacts", "details"}
    assert np.load(seed / "fused.npy").shape == (4, 48, 48)
    assert np.load(seed / "fused.npy").dtype == np.uint8
    rows = list(csv.DictReader((seed / "scores.csv").open()))
    assert len(rows) == 4
    assert list(rows[0]) == ["dataset", "method", "seed", "tile", "sf", "ag", "scd", "vif"]
    assert (finished / "results/tables/table1_town.csv").is_file()
    assert (finished / "results/tables/table1_town.tex").is_file()
    figures = {path.name for path in (finished / "results/report/figures").glob("f*")}
    assert {f"figure{n}.{kind}" for n in (1, 2, 6, 8, 9) for kind in ("png", "pdf")} == figures


def test_second_run_has_nothing_to_do(finished):
    assert "Nothing to be done" in snakemake(finished).stdout


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("metrics/vif.py", {"measure": 2, **REPORTING}),
        (
            "baselines/average/control.py",
            {"fuse": 1, "measure": 1, **REPORTING},
        ),
        (
            "segfanet/model.py",
            {"train": 1, "fuse": 1, "learning": 1, "measure": 1, **REPORTING},
        ),
        ("harness/fusing/held_out.py", {"learning": 1, **REPORTING}),
        ("reports/templates/page.css", {"report": 1}),
        ("baselines/visible/control.py", {}),
    ],
)
def test_editing_code_reruns_what_uses_it_and_nothing_else(finished, file, expected):
    path = finished / file
    before, times = path.read_text(), path.stat()
    edit(path)
    try:
        assert planned(finished) == expected
    finally:
        path.write_text(before)

        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_changing_a_recipe_retrains_that_method_only(finished):
    path = finished / "tiny.yaml"
    before = path.read_text()
    path.write_text(before.replace("steps: 2", "steps: 3"))
    try:
        plan = planned(finished)
    finally:
        path.write_text(before)
    assert plan == {"train": 1, "fuse": 1, "learning": 1, "measure": 1, **REPORTING}


def test_snakemake_s_own_report_builds(finished, tmp_path):
    target = tmp_path / "report.html"
    run = snakemake(finished, "--report", str(target))
    assert run.returncode == 0, run.stdout[-2000:]
    assert "training_log.csv" in target.read_text(encoding="utf-8")


def test_named_targets(finished):
    for target in ("data", "baselines", "tables", "report"):
        assert planned(finished, target) == {}, target


def test_new_folder_is_a_row_and_broken_methods_are_visible_failures(tmp_path):
    folder = copy_project(tmp_path, methods=["maximum", *BROKEN])
    add_method(folder, "maximum", "return torch.maximum(infrared, visible)")
    for name, (body, _) in BROKEN.items():
        add_method(folder, name, body)
    run = snakemake(folder)
    assert run.returncode != 0
    for name, (_, reason) in BROKEN.items():
        assert f"{name} (seed 0)" in run.stdout
        assert reason in run.stdout
    page = (folder / "results/report/index.html").read_text()
    assert f"{len(BROKEN)} failed runs" in page
    table = {
        row["row"]: row
        for row in csv.DictReader((folder / "results/tables/table1_town.csv").open())
    }
    assert float(table["maximum"]["sf_ours"]) > 0
    assert float(table["segfanet"]["sf_ours"]) > 0
    assert table["raises"]["sf_ours"] == ""
    assert "ZeroDivisionError" in table["raises"]["failure"]
    # Only what failed is tried again.
    again = planned(folder)
    assert again["fuse"] == again["measure"] == len(BROKEN)
    assert "train" not in again


BOTH = """\
import torch


class Method(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor([0.25]))

    def fuse(self, infrared, visible):
        return self.weight * infrared + (1 - self.weight) * visible

    def training_loss(self, batch):
        fused = self.fuse(batch.infrared, batch.visible)
        return {"error": (fused - batch.infrared).square().mean()}
"""


def test_official_and_trained_weights_are_rows_of_one_run(tmp_path):
    folder = copy_project(tmp_path / "project")
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    torch.save({"weight": torch.tensor([0.75])}, mirror / "authors.pth")
    digest = hashlib.sha256((mirror / "authors.pth").read_bytes()).hexdigest()
    description = (
        "name: both\ntitle: Both\nentry: code:Method\nclamp: true\ntrain: {learning_rate: 0.1}\n"
        f"weights: {{file: authors.pth, sha256: {digest}, licence: none stated}}\n"
    )
    add_method_files(folder, "both", description, {"code.py": BOTH})
    config = yaml.safe_load((folder / "tiny.yaml").read_text())
    config |= {"methods": ["both", "average"], "weights": ["official", "train"], "seeds": [3, 4]}
    config |= {"stretched": {"both": ["minmax"]}, "mirror": str(mirror)}
    (folder / "tiny.yaml").write_text(yaml.safe_dump(config))
    reporting = {
        rule: count for rule, count in REPORTING.items() if rule not in ("examples", "features")
    }
    jobs = {"prepare": 1, "train": 2, "fuse": 4, "learning": 2, "measure": 4}
    assert planned(folder) == {**jobs, **reporting}
    run = snakemake(folder)
    assert run.returncode == 0, run.stdout[-3000:]
    town = folder / "results/town"
    found = {str(path.parent.relative_to(town)) for path in town.rglob("scores.csv")}
    trained = {f"both@train{stretch}/seed{k}" for stretch in ("", "+minmax") for k in (3, 4)}
    assert found == {"average/seed3", "both/seed3", "both+minmax/seed3", *trained}
    checkpoints = {str(path.parent.relative_to(town)) for path in town.rglob("checkpoint.pt")}
    assert checkpoints == {"both@train/seed3", "both@train/seed4"}
    origins = {
        name: read_record(town / name / "fused.json")["details"]["weights"]["origin"]
        for name in found
        if name.startswith("both")
    }
    assert {name for name, origin in origins.items() if origin == "official"} == {
        "both/seed3",
        "both+minmax/seed3",
    }
    assert set(origins.values()) == {"official", "retrained"}
    with (town / "both@train+minmax/seed4/scores.csv").open() as stream:
        assert {row["method"] for row in csv.DictReader(stream)} == {"both@train+minmax"}
    stacks = [np.load(town / name / "fused.npy") for name in ("both/seed3", "both@train/seed3")]
    assert not np.array_equal(*stacks)
    page = (folder / "results/report/index.html").read_text()
    assert "Both, trained here" in page
    assert planned(folder) == {}
    # Deleting the images of one stretch makes its run again, and no training.
    (town / "both@train+minmax/seed4/fused.npy").unlink()
    again = planned(folder)
    assert again["fuse"] == 1
    assert "train" not in again


def test_two_runs_of_one_seed_agree_and_another_seed_differs(finished, tmp_path):
    again = copy_project(tmp_path / "again")
    assert snakemake(again, "results/town/segfanet/seed0/scores.csv").returncode == 0
    assert snakemake(again, "results/town/segfanet/seed1/scores.csv").returncode == 0
    first, second, other = (
        (folder / f"results/town/segfanet/seed{seed}/scores.csv").read_text()
        for folder, seed in ((finished, 0), (again, 0), (again, 1))
    )
    assert first == second
    assert first.replace(",0,", ",1,") != other


def test_wrong_configuration_ends_before_any_work(tmp_path):
    folder = copy_project(tmp_path)
    (folder / "bad.yaml").write_text("title: x\ndatasets: {town: {adapter: tiles, optoins: {}}}\n")
    run = snakemake(folder, configfile="bad.yaml")
    assert run.returncode != 0
    assert "unknown key 'optoins'; did you mean 'options'?" in run.stdout
    assert "Traceback" not in run.stdout
    assert not (folder / "results").exists()


def test_default_configuration_is_found_from_another_folder(tmp_path):
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--dry-run", "data"]
    run = subprocess.run(
        [*command, "--directory", str(tmp_path)], cwd=ROOT, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert "results/landsat7/tiles" in run.stdout + run.stderr


def test_unreadable_picture_is_named(tmp_path):
    folder = copy_project(tmp_path)
    pictures = folder / "pictures"
    for kind in ("rgb", "ir"):
        (pictures / kind).mkdir(parents=True)
        (pictures / kind / "one.png").write_bytes(b"not a picture")
    (folder / "bad.yaml").write_text(
        "title: x\nmethods: [average]\n"
        "datasets: {mine: {adapter: tiles, options: {root: pictures}}}\n"
    )
    run = snakemake(folder, configfile="bad.yaml")
    assert run.returncode != 0
    assert "one.png: not a readable image" in run.stdout


def test_pairs_without_training_tiles_still_end_with_a_report(tmp_path):
    folder = copy_project(tmp_path)
    rng = np.random.default_rng(0)
    for kind in ("rgb", "ir"):
        (folder / "pairs" / kind).mkdir(parents=True)
        for name in ("a.png", "b.png"):
            picture = rng.integers(0, 256, (48, 50), np.uint8)
            Image.fromarray(picture).save(folder / "pairs" / kind / name)
    (folder / "mine.yaml").write_text(
        "title: x\nmethods: [average, segfanet, umfusion]\n"
        "datasets: {mine: {adapter: tiles, options: {root: pairs, title: Mine}}}\n"
        "overrides: {umfusion: {weights: train}}\n"
    )
    run = snakemake(folder, configfile="mine.yaml")
    assert (
        "segfanet (seed 0): training failed: needs labels to train, and Mine has none" in run.stdout
    )
    assert "umfusion (seed 0): training failed: has to be trained, and Mine has no" in run.stdout
    assert run.returncode != 0
    table = {
        r["row"]: r for r in csv.DictReader((folder / "results/tables/comparison_mine.csv").open())
    }
    assert float(table["average"]["sf_ours"]) > 0
    assert (folder / "results/report/index.html").is_file()
