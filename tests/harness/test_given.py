"""Fused images from folders: VIFB's published numbers, refusals, and rows of the workflow."""

import csv
import json
import sys

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from harness.benchmark import Benchmark
from harness.disk.records import read_record
from harness.errors import HarnessError
from harness.methods.rows import Row
from harness.stages import measure, prepare, take
from metrics.cli import main as metrics_main
from metrics.colour import colour_rule, score_channels
from metrics.scoring import score, score_methods
from tests.helpers.project import copy_project, planned, snakemake
from tests.helpers.shared_data import SHARED, need

VIFB = "datasets/samples/vifb21"
VALUES = "datasets/vifb_values.csv"
NAMES = {
    "sf": "Spatial_frequency",
    "ag": "Avg_gradient",
    "en": "Entropy",
    "sd": "Variance",
    "mi": "Mutinf",
    "psnr": "Psnr",
    "ssim": "Ssim",
}
INEXACT = ("YDTR", "SwinFusion")
"""Methods whose stored images are not those that VIFB measured."""


def run(monkeypatch, module, *arguments):
    name = module.__name__
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    module.main()


def published(path):
    with path.open(newline="") as file:
        return {(r["method"], r["image"], r["metric"]): r["value"] for r in csv.DictReader(file)}


def vifb_pairs(folder):
    """Lay out the 21 pairs as `rgb/` and `ir/`, and the fused images by method."""
    source = need(SHARED / VIFB)
    for name, place in (("rgb", "VI"), ("ir", "IR")):
        (folder / name).mkdir(parents=True)
        for file in sorted((source / "input" / place).iterdir()):
            (folder / name / file.name).symlink_to(file)
    fused = {}
    for file in sorted((source / "output").rglob("*.jpg")):
        image, _, method = file.stem.rpartition("_")
        fused.setdefault(method, {})[image] = file
    return fused


def test_vifb_s_images_give_its_published_numbers(tmp_path, monkeypatch):
    """Every sample method, all of our metrics, to the five digits that VIFB prints."""
    fused = vifb_pairs(tmp_path / "pairs")
    values = published(need(SHARED / VALUES))
    names = sorted(set.union(*(set(images) for images in fused.values())))
    store = tmp_path / "store"
    options = json.dumps({"root": str(tmp_path / "pairs"), "test": names})
    arguments = ("--adapter", "tiles", "--options", options, "--whole", "--output", store)
    run(monkeypatch, prepare, *arguments)
    compared = 0
    for method, images in fused.items():
        folder, output = tmp_path / method, tmp_path / "out" / f"{method.lower()}@given" / "seed0"
        folder.mkdir()
        for file in images.values():
            (folder / file.name).symlink_to(file)
        given = ("--folder", folder, "--name", f"{{name}}_{method}", "--colour", "per_channel")
        run(monkeypatch, take, "--tiles", store, *given, "--output", output / "fused.npy")
        assert read_record(output / "fused.json")["status"] == "ok"
        run(
            *(monkeypatch, measure, "--tiles", store, "--fused", output / "fused.npy"),
            *("--dataset", "vifb21", "--method", f"{method.lower()}@given", "--seed", 0),
            *("--metrics", *NAMES, "--dialect", "vifb", "--colour", "per_channel"),
            *("--threads", 2, "--output", output / "scores.csv"),
        )
        table = pd.read_csv(output / "scores.csv", dtype={"tile": str}).set_index("tile")
        for image, row in table.iterrows():
            for ours, theirs in NAMES.items():
                expected = float(values[method, image, theirs])
                if method in INEXACT:
                    assert row[ours] == pytest.approx(expected, rel=0.011)
                else:
                    assert float(f"{row[ours]:.5g}") == expected, (method, image, ours)
                compared += 1
    assert compared == len(fused) * len(names) * len(NAMES) > 100


@pytest.fixture
def colours():
    rng = np.random.default_rng(1)
    return [rng.integers(0, 256, (2, 3, 60, 50), np.uint8) for _ in range(3)]


def test_channels_are_measured_one_by_one_and_sf_side_by_side(colours):
    fused, infrared, visible = colours
    names = ["ag", "sf", "vif", "mi"]
    found = score_channels({"one": fused}, infrared, visible, names)["one"]
    assert list(found) == names
    for name in ("ag", "vif", "mi"):
        each = [score(fused[:, k], infrared[:, k], visible[:, k], [name])[name] for k in range(3)]
        np.testing.assert_array_equal(found[name], np.mean(each, axis=0))
    wide = [np.concatenate([x[:, k] for k in range(3)], axis=2) for x in colours]
    np.testing.assert_array_equal(found["sf"], score(*wide, ["sf"])["sf"])


def test_dialects_imply_the_rule_of_their_evaluator(tmp_path, colours, capsys):
    assert (colour_rule(None), colour_rule("vifb"), colour_rule("cddfuse")) == (
        "luma",
        "per_channel",
        "luma",
    )
    folders = []
    for name, images in zip(("fused", "ir", "vis"), colours, strict=True):
        (tmp_path / name).mkdir()
        folders.append(tmp_path / name)
        Image.fromarray(np.moveaxis(images[0], 0, 2)).save(tmp_path / name / "a.png")
    fused, infrared, visible = folders
    words = ["score", "--infrared", infrared, "--visible", visible, "--fused", fused]
    words += ["--metrics", "ag", "en", "--dialect", "vifb", "-o", tmp_path / "s.csv"]
    assert metrics_main([str(word) for word in words]) == 0
    assert "dialect vifb, native size, colour: per_channel" in capsys.readouterr().out
    expected = score_channels(
        {"f": colours[0][:1]}, colours[1][:1], colours[2][:1], ["ag", "en"], dialect="vifb"
    )["f"]
    (row,) = csv.DictReader((tmp_path / "s.csv").open())
    assert [float(row[name]) for name in ("ag", "en")] == [expected[n][0] for n in ("ag", "en")]
    grey = score_methods({"f": colours[0][:1, 0]}, colours[1][:1, 0], colours[2][:1, 0], ["ag"])
    for folder, images in zip(folders, colours, strict=True):
        Image.fromarray(images[0, 0]).save(folder / "a.png")
    words[words.index("--dialect") : words.index("--dialect") + 2] = ["--colour", "per_channel"]
    assert metrics_main([str(word) for word in words]) == 0
    (row,) = csv.DictReader((tmp_path / "s.csv").open())
    assert float(row["ag"]) == grey["f"]["ag"][0], "grey images have one channel"


@pytest.fixture
def pairs(tmp_path):
    rng = np.random.default_rng(3)
    for folder in ("set/rgb", "set/ir", "mine"):
        (tmp_path / folder).mkdir(parents=True)
        for name, size in (("a", (50, 60)), ("b", (64, 48))):
            pixels = rng.integers(0, 256, size, np.uint8)
            Image.fromarray(pixels).save(tmp_path / folder / f"{name}.png")
    return tmp_path / "set"


def drop(path):
    path.unlink()


def crop(path):
    Image.open(path).crop((0, 0, 40, 30)).save(path)


def deepen(path):
    Image.fromarray(np.zeros((64, 48), np.uint16)).save(path)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (drop, "mine/b: no image of this name, with any suffix; 1 of 2 are missing"),
        (crop, "mine/b.png: 30×40 pixels, expected 64×48"),
        (deepen, "mine/b.png: 16-bit PNG, expected 8 bits"),
    ],
)
def test_an_image_that_cannot_be_used_is_a_failed_cell(pairs, monkeypatch, damage, reason):
    tiles = pairs.parent / "store"
    options = json.dumps({"root": str(pairs)})
    run(monkeypatch, prepare, "--adapter", "tiles", "--options", options, "--output", tiles)
    damage(pairs.parent / "mine" / "b.png")
    output = pairs.parent / "ours@given" / "seed0" / "fused.npy"
    run(monkeypatch, take, "--tiles", tiles, "--folder", pairs.parent / "mine", "--output", output)
    record = read_record(output.with_name("fused.json"))
    assert record["status"] == "failed"
    assert reason in record["reason"]
    assert len(np.load(output)) == 0


def configuration(pairs, **changes):
    dataset = {"adapter": "tiles", "tiling": "none", "options": {"root": str(pairs)}, **changes}
    return {"title": "t", "device": "cpu", "methods": ["average"], "datasets": {"mine": dataset}}


def test_rows_from_folders_are_rows_of_the_data_set(pairs):
    config = configuration(pairs, fused={"ours": str(pairs.parent / "mine")}, dialect="vifb")
    benchmark = Benchmark({**config, "metrics": ["sf", "ag"]})
    assert [row.name for row in benchmark.rows("mine")] == ["average", "ours@given"]
    assert benchmark.rows("mine")[1] == Row("ours", "given")
    assert benchmark.measuring("mine") == {"dialect": "vifb", "colour": "per_channel"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fused": {"ours": "no/such"}}, "fused: ours: the folder no/such does not exist"),
        ({"fused": {"ours": {"folder": ".", "name": "x"}}}, "expected a text with {name}"),
        ({"dialect": "vifbb"}, "dialect: unknown dialect 'vifbb'; did you mean vifb"),
        ({"dialect": "vifb"}, "dialect: dialect vifb has no 'scd'"),
        ({"colour": "rgb"}, "colour: found 'rgb', expected"),
        ({"tiling": None}, "tiling: found None, expected `none`"),
        ({"tiling": {"size": 64, "stride": 65}}, "tiling: .*a stride of at most 64"),
    ],
)
def test_what_cannot_work_is_refused_before_any_work(pairs, changes, message):
    with pytest.raises(HarnessError, match=message):
        Benchmark(configuration(pairs, **changes))


@pytest.mark.slow
def test_given_images_are_a_row_of_the_report(pairs, tmp_path):
    """Beside a method, through the workflow: tables, page, and a rerun after an edit."""
    project = copy_project(tmp_path / "project")
    fused = {"ours": {"folder": str(pairs.parent / "mine"), "name": "{name}"}}
    config = {**configuration(pairs, fused=fused, colour="per_channel"), "metrics": ["sf", "vif"]}
    (project / "tiny.yaml").write_text(yaml.safe_dump(config))
    done = snakemake(project)
    assert done.returncode == 0, done.stdout
    table = (project / "results/tables/comparison_mine.csv").read_text()
    assert "ours@given" in table and "ours, given images" in table
    assert "channel" in (project / "results/report/index.html").read_text()
    assert planned(project) == {}
    crop(pairs.parent / "mine" / "a.png")
    Image.fromarray(np.eye(50, 60, dtype=np.uint8)).save(pairs.parent / "mine" / "a.png")
    again = planned(project)
    assert again["take"] == again["measure"] == 1 and "fuse" not in again
