"""Fused images from folders: VIFB's published numbers, refusals, and rows of the workflow."""

import csv
import json
import os
import sys

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from harness.benchmark import Benchmark
from harness.disk.records import read_record
from harness.errors import HarnessError
from harness.fetching.registry import dataset_sources
from harness.methods.rows import Row
from harness.scenes.adapters import find_adapter
from harness.stages import fuse, measure, prepare, take
from metrics.cli import main as metrics_main
from metrics.colour import colour_rule, score_channels
from metrics.dialects import vifb
from metrics.scoring import score, score_methods
from reports.plan import plan_of, read_plan
from tests.helpers.project import copy_project, planned, snakemake
from tests.helpers.shared_data import SHARED, need

VIFB = "datasets/samples/vifb21"


def run(monkeypatch, module, *arguments):
    name = module.__name__
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    module.main()


def sample_pairs():
    """Return the names of the pairs whose images are at hand, and the folder that holds them."""
    source = need(SHARED / VIFB)
    return sorted(file.stem for file in (source / "input" / "VI").iterdir()), source


def check_published(table, method, pairs):
    """Compare a per-image table with what VIFB prints: every metric, every digit."""
    found = pd.read_csv(table, dtype={"tile": str}).set_index("tile")
    names, values = vifb.published()
    assert list(found.index) == pairs
    for pair, row in found.iterrows():
        for name, printed in zip(names, values[method][pair], strict=True):
            if method in vifb.REMEASURED:
                assert row[name] == pytest.approx(float(printed), rel=0.061), (pair, name)
            else:
                assert float(f"{row[name]:.5g}") == float(printed), (method, pair, name)


VIFB_METRICS = vifb.published().metrics


@pytest.mark.parametrize("name", ["gtf", "ydtr"])
def test_a_stage_takes_the_images_that_a_set_publishes(tmp_path, monkeypatch, name):
    """Three pairs through prepare, take and measure, to the five digits that VIFB prints."""
    pairs, source = sample_pairs()
    pairs, store, output = pairs[:3], tmp_path / "store", tmp_path / "out" / "fused.npy"
    options = json.dumps({"pairs": pairs})
    mirror = ("--mirror", source, "--cache", tmp_path / "cache")
    common = ("--adapter", "vifb21", "--options", options, *mirror)
    run(monkeypatch, prepare, *common, "--whole", "--output", store)
    taking = ("--tiles", store, "--published", name, "--colour", "per_channel")
    run(monkeypatch, take, *taking, *common, "--output", output)
    record = read_record(output.with_name("fused.json"))
    assert (record["status"], record["config"]["published"]) == ("ok", name)
    run(
        *(monkeypatch, measure, "--tiles", store, "--fused", output, "--dataset", "vifb21"),
        *("--method", f"{name}@given", "--seed", 0, "--metrics", *VIFB_METRICS),
        *("--dialect", "vifb", "--colour", "per_channel", "--threads", 2),
        *("--output", output.with_name("scores.csv")),
    )
    check_published(output.with_name("scores.csv"), name.upper(), pairs)


@pytest.mark.slow
def test_vifb_s_images_give_its_published_numbers_in_the_report(tmp_path):
    """Sample methods as rows of the workflow, by the dialect and its metrics.

    A minute per three pairs: all 21 are measured where WHOLE_VIFB is set.
    """
    pairs, source = sample_pairs()
    methods = {file.stem.rpartition("_")[2] for file in (source / "output").rglob("*.jpg")}
    assert len(pairs) == 21 and len(methods) == 6
    pairs = pairs if os.environ.get("WHOLE_VIFB") else pairs[::7]
    project = copy_project(tmp_path / "project")
    fused = sorted(method.lower() for method in methods)
    section = {"dialect": "vifb", "metrics": list(VIFB_METRICS), "fused": fused, "pairs": pairs}
    config = {"title": "t", "device": "cpu", "methods": ["average"], "mirror": str(source)}
    (project / "tiny.yaml").write_text(
        yaml.safe_dump({**config, "datasets": {"vifb21": section}, "threads": 2})
    )
    done = snakemake(project)
    assert done.returncode == 0, done.stdout
    for method in methods:
        table = project / f"results/vifb21/{method.lower()}@given/seed0/scores.csv"
        check_published(table, method, pairs)
    (table,) = (project / "results/tables").glob("*_vifb21.csv")
    rows = {row["row"]: row for row in csv.DictReader(table.open())}
    assert rows["latlrr@given"]["title"] == "LatLRR, given images"
    assert all(float(rows["latlrr@given"][f"{name}_ours"]) for name in VIFB_METRICS)
    assert planned(project) == {}


def published_rows(dataset, fused, **changes):
    config = {"title": "t", "methods": ["average"], "datasets": {dataset: {"fused": fused}}}
    rows = Benchmark({**config, **changes}).rows(dataset)
    return [row.method for row in rows if row.given]


@pytest.mark.parametrize(("dataset", "count"), [("vifb21", 25), ("tno42", 9), ("m3fd_sample", 1)])
def test_all_images_that_a_set_publishes_are_rows_for_no_code(dataset, count, tmp_path):
    every = published_rows(dataset, "all")
    assert len(every) == count
    assert published_rows(dataset, every[:1]) == every[:1]
    both = {"ours": str(tmp_path), every[0]: None}
    assert published_rows(dataset, both) == ["ours", every[0]]
    assert published_rows(dataset, {"ours": str(tmp_path), "all": None}) == ["ours", *every]
    paths = [path for row in find_adapter(dataset).fused.values() for path in row.paths.values()]
    known = dataset_sources(dataset)
    assert all(known[path].sha256 and known[path].optional for path in paths)


@pytest.mark.parametrize(
    ("dataset", "fused", "message"),
    [
        ("tno25", "all", "tno25: fused: all: tno25 publishes no fused images; give the folder"),
        ("vifb21", ["gtff"], "fused: no published images 'gtff'; did you mean 'gtf'"),
        ("vifb21", "gtf", "fused: found 'gtf', expected keys with values"),
        ("vifb21", ["GTF"], "fused: the name 'GTF' cannot be used"),
    ],
)
def test_images_that_a_set_does_not_publish_are_refused(dataset, fused, message):
    with pytest.raises(HarnessError, match=message):
        published_rows(dataset, fused)


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


def test_methods_are_measured_in_colour_too(tmp_path, pairs, monkeypatch):
    """A method's fused luma gets the colours of the visible image, then each channel counts."""
    (pairs / "rgb" / "a.png").unlink()
    (pairs / "ir" / "a.png").unlink()
    colour = np.random.default_rng(8).integers(0, 256, (64, 48, 3), np.uint8)
    Image.fromarray(colour).save(pairs / "rgb" / "b.png")
    options = json.dumps({"root": str(pairs)})
    tiles, output = tmp_path / "store", tmp_path / "visible" / "seed0" / "fused.npy"
    run(monkeypatch, prepare, "--adapter", "tiles", "--options", options, "--output", tiles)
    fusing = ("--tiles", tiles, "--method", "visible", "--device", "cpu")
    run(monkeypatch, fuse, *fusing, "--colour", "per_channel", "--output", output)
    stack = np.load(output)
    assert stack.shape == (1, 3, 64, 48)
    assert np.abs(stack[0].astype(int) - np.moveaxis(colour, 2, 0)).max() <= 2


def configuration(pairs, **changes):
    dataset = {"adapter": "tiles", "tiling": "none", "options": {"root": str(pairs)}, **changes}
    return {"title": "t", "device": "cpu", "methods": ["average"], "datasets": {"mine": dataset}}


def test_rows_from_folders_are_rows_of_the_data_set(pairs):
    config = configuration(pairs, fused={"ours": str(pairs.parent / "mine")}, dialect="vifb")
    benchmark = Benchmark({**config, "metrics": ["sf", "ag"]})
    assert [row.name for row in benchmark.rows("mine")] == ["average", "ours@given"]
    assert benchmark.rows("mine")[1] == Row("ours", "given")
    assert benchmark.measuring("mine") == {"dialect": "vifb", "colour": "per_channel"}


def test_a_data_set_may_have_metrics_of_its_own(pairs):
    config = configuration(pairs, metrics=["ce", "rmse"], dialect="vifb")
    config["datasets"]["other"] = {"adapter": "tiles", "options": {"root": str(pairs)}}
    benchmark = Benchmark(config)
    assert benchmark.metrics("mine") == ["ce", "rmse"]
    assert benchmark.metrics("other") == ["sf", "ag", "scd", "vif"]
    plan = read_plan(json.dumps(plan_of(benchmark)), pairs)
    assert [plan.metrics_of(d) for d in plan.datasets] == [("ce", "rmse"), plan.metrics]
    assert plan.every_metric == ["ce", "rmse", "sf", "ag", "scd", "vif"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"metrics": ["sff"]}, "datasets: mine: metrics: no metric 'sff'; did you mean"),
        ({"metrics": []}, "datasets.mine.metrics: found"),
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
    config = configuration(pairs, fused=fused, colour="per_channel", metrics=["sf", "vif"])
    config["datasets"]["tiled"] = {"adapter": "tiles", "options": {"root": str(pairs)}}
    (project / "tiny.yaml").write_text(yaml.safe_dump(config))
    done = snakemake(project)
    assert done.returncode == 0, done.stdout
    table = (project / "results/tables/comparison_mine.csv").read_text()
    assert table.splitlines()[0].count("_ours") == 2, "its own metrics"
    other = (project / "results/tables/comparison_tiled.csv").read_text()
    assert other.splitlines()[0].count("_ours") == 4, "the common ones"
    assert "ours@given" in table and "ours, given images" in table
    assert "channel" in (project / "results/report/index.html").read_text()
    assert planned(project) == {}
    crop(pairs.parent / "mine" / "a.png")
    Image.fromarray(np.eye(50, 60, dtype=np.uint8)).save(pairs.parent / "mine" / "a.png")
    again = planned(project)
    assert again["take"] == again["measure"] == 1 and "fuse" not in again
