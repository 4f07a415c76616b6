"""The pages about data sets keep their promises."""

import json
import re
import sys

import numpy as np
import pytest
import yaml
from PIL import Image

from harness.benchmark import Benchmark
from harness.datasets.landsat7 import adapter as landsat7
from harness.datasets.potsdam import adapter as potsdam
from harness.datasets.published import PublishedSet
from harness.datasets.synthetic_urban import adapter as synthetic_urban
from harness.datasets.tiles import adapter as tiles
from harness.datasets.whu_opt_sar import adapter as whu_opt_sar
from harness.disk.schema import ROOT
from harness.errors import HarnessError
from harness.scenes.adapters import find_adapter
from harness.scenes.splits import choose_split
from harness.stages import prepare
from harness.tiles.store import TileStore
from tests.helpers.fake_archives import make_whu, whu_labels

PAGES = ("README.md", "docs/add-a-dataset.md", "docs/datasets.md")


def examples():
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL):
            config = yaml.safe_load(block)
            for name in config.get("datasets", {}):
                yield pytest.param(config, name, id=name)


@pytest.mark.parametrize(("config", "name"), list(examples()))
def test_every_example_is_accepted(tmp_path, config, name):
    entry = config["datasets"][name]
    for folder in ("rgb", "ir", "seg"):
        (tmp_path / folder).mkdir()
    for section in config["datasets"].values():
        fused = section.get("fused")
        if isinstance(fused, dict):
            section["fused"] = {row: folder and str(tmp_path) for row, folder in fused.items()}
    adapter = find_adapter(entry.get("adapter", name))
    if not isinstance(adapter, PublishedSet):
        entry["options"]["root"] = str(tmp_path)
    adapter.check_options(entry.get("options", {}))
    # An example with a title is complete; the others show one entry.
    Benchmark(config if "title" in config else {"title": "t", **config})


def test_the_table_lists_every_option_of_own_pairs():
    text = (ROOT / "docs/add-a-dataset.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
    assert sorted(listed) == sorted(tiles.Options.__annotations__)


def test_the_page_names_our_test_images():
    text = (ROOT / "docs/datasets.md").read_text(encoding="utf-8")
    test = [name for name, part in choose_split("potsdam", None, None) if part == "test"]
    assert ", ".join(test) in text.replace("\n", " ")


@pytest.mark.parametrize("adapter", [landsat7, potsdam, synthetic_urban, whu_opt_sar])
def test_files_beside_the_code_are_there(adapter):
    assert all(path.is_file() for path in adapter.DATA_FILES)


def run_prepare(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["prepare", *map(str, arguments)])
    prepare.main()


def test_the_stage_finds_archives_in_a_mirror(tmp_path, monkeypatch):
    split = choose_split("whu_opt_sar", None, None)
    names = [split[0][0], split[-1][0]]
    pixels = make_whu(tmp_path / "mirror", {names[0]: (90, 101), names[1]: (90, 100)})
    options = {"train": names[:1], "test": names[1:]}
    run_prepare(
        monkeypatch,
        *("--adapter", "whu_opt_sar", "--options", json.dumps(options)),
        *("--size", 41, "--stride", 41, "--jobs", 2),
        *("--cache", tmp_path / "cache", "--mirror", tmp_path / "mirror"),
        *("--output", tmp_path / "store"),
    )
    store = TileStore(tmp_path / "store")
    for split in ("train", "test"):
        for row, tile in zip(store.rows(split), store.tiles(split), strict=True):
            part = pixels[row.scene][:, row.y : row.y + 41, row.x : row.x + 41]
            np.testing.assert_array_equal(tile[:4], part[:4])
            np.testing.assert_array_equal(tile[4], whu_labels(part[4]))
    assert [source["name"] for source in store.meta["sources"]] == ["optical.zip", "lbl.zip"]
    assert all(len(source["sha256"]) == 64 for source in store.meta["sources"])
    record = json.loads((tmp_path / "store/prepare.json").read_text())
    assert record["status"] == "ok"


def own_pairs(folder):
    """Write one pair of made-up images, 50×60 pixels, and return the options that name it."""
    for kind in ("rgb", "ir"):
        (folder / kind).mkdir(parents=True)
        pixels = np.random.default_rng(0).integers(0, 256, (50, 60), np.uint8)
        Image.fromarray(pixels).save(folder / kind / "a.png")
    return json.dumps({"root": str(folder)})


def run_on_pairs(monkeypatch, tmp_path, *examples):
    options = own_pairs(tmp_path / "pairs")
    chosen = ("--adapter", "tiles", "--options", options, "--size", 41, "--stride", 41)
    output = tmp_path / "store"
    run_prepare(monkeypatch, *chosen, "--output", output, "--examples", *examples)
    return output


def test_the_stage_accepts_examples_that_are_test_tiles(tmp_path, monkeypatch):
    output = run_on_pairs(monkeypatch, tmp_path, "a_r00c01", "a_r01c00")
    assert {"a_r00c01", "a_r01c00"} <= set(TileStore(output).names("test"))


def test_the_stage_refuses_an_example_that_is_no_test_tile_before_it_writes(tmp_path, monkeypatch):
    with pytest.raises(HarnessError) as error:
        run_on_pairs(monkeypatch, tmp_path, "a_r00c00", "a_r00c07")
    for part in ("no test tile 'a_r00c07'", "did you mean 'a_r00c0", "There are 4"):
        assert part in str(error.value)
    assert not (tmp_path / "store/test.npy").exists()


def test_the_stage_takes_linked_folders_of_own_pairs(tmp_path, monkeypatch):
    for folder in ("visible", "infrared"):
        (tmp_path / folder).mkdir()
        picture = np.random.default_rng(0).integers(0, 256, (50, 60), np.uint8)
        Image.fromarray(picture).save(tmp_path / folder / "FLIR_1.jpg")
    (tmp_path / "pairs").mkdir()
    (tmp_path / "pairs/rgb").symlink_to(tmp_path / "visible")
    (tmp_path / "pairs/ir").symlink_to(tmp_path / "infrared")
    options = json.dumps({"root": str(tmp_path / "pairs")})
    output = tmp_path / "store"
    run_prepare(
        monkeypatch,
        "--adapter",
        "tiles",
        "--options",
        options,
        "--size",
        320,
        "--stride",
        320,
        "--output",
        output,
    )
    assert TileStore(output).names("test") == ["FLIR_1_r00c00"]
    assert TileStore(output).tiles("train").shape == (0, 5, 50, 60)
