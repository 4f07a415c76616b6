"""Published tiles and weights through the workflow, from a server that plays their host."""

import csv
import json
from urllib.parse import urlsplit

import pytest
import yaml

from harness.fetching.registry import dataset_sources
from harness.methods.spec import discover, weight_source
from harness.scenes.adapters import find_adapter
from tests.helpers.project import ROOT, copy_project, snakemake
from tests.helpers.published_servers import Repositories, play_for_programs
from tests.helpers.samples import SETS, sample_pairs
from tests.helpers.shared_data import CHECKPOINTS, SHARED, need

KINDS = {"visible": "rgb", "infrared": "ir", "label": "seg"}


def files_at_hand(name, pairs):
    """Return address → bytes of the labelled tiles of `whu_tiles` or `potsdam_tiles`."""
    known, rows = dataset_sources(f"{name}_tiles"), find_adapter(f"{name}_tiles").pairs
    found = {}
    for pair in pairs:
        for role, kind in KINDS.items():
            address = urlsplit(known[rows[pair][role]["path"]].urls[0]).path.lstrip("/")
            place = SHARED / "real_tiles" / name / kind / f"{pair.removeprefix('train_')}.png"
            found[address] = need(place).read_bytes()
    return found


@pytest.mark.slow
def test_tiles_and_weights_arrive_without_any_preparation(tmp_path, monkeypatch):
    """UMFusion's file is not at hand: its row is a failed cell that says what to do."""
    pairs = ["train_1", "train_2", "train_9", "train_10"]
    config = yaml.safe_load((ROOT / "config/tiles.yaml").read_text())
    config["methods"] = ["ydtr", "umfusion", "average"]
    config["datasets"] = {
        f"{name}_tiles": {"pairs": pairs, "options": {"test": pairs[2:]}, "stands_for": name}
        for name in ("whu", "potsdam")
    }
    config["overrides"] = {}
    del config["stretched"]["segfanet"]
    folder = copy_project(tmp_path / "project")
    (folder / "at_hand.yaml").write_text(yaml.safe_dump(config))
    (entry,) = discover()["ydtr"].weight_files.values()
    weights = urlsplit(weight_source(entry).urls[0]).path.lstrip("/")
    files = {**files_at_hand("whu", pairs), **files_at_hand("potsdam", pairs)}
    host = Repositories(files | {weights: need(CHECKPOINTS / "ydtr_model_10.pth").read_bytes()})
    with play_for_programs(monkeypatch, tmp_path / "hook", host):
        run = snakemake(folder, configfile="at_hand.yaml")
    assert run.returncode != 0
    assert "umfusion (seed 0)" in run.stdout
    record = json.loads((folder / "results/whu_tiles/umfusion/seed0/fused.json").read_text())
    assert record["status"] == "failed"
    for part in ("UMF_CMGR.pth could not be obtained", "404", "{umfusion: {weights: train}}"):
        assert part in record["reason"]
    for name in ("whu", "potsdam"):
        meta = json.loads((folder / f"results/{name}_tiles/tiles/dataset.json").read_text())
        assert meta["tiles"] == {"train": 2, "test": 2}
        assert meta["notes"].startswith("4 of 13 pairs. ")
        (table,) = (folder / "results/tables").glob(f"*_{name}_tiles.csv")
        rows = {row["row"]: row for row in csv.DictReader(table.open())}
        assert float(rows["ydtr"]["sf_ours"]) > 0
    tiles = sum(path in files for path, _ in host.asked)
    assert tiles == len(files), "every tile is fetched once"
    assert (folder / "results/report/index.html").is_file()


@pytest.mark.slow
def test_the_configuration_of_cwfid_trains_on_its_samples(tmp_path):
    """Four images of 60 through the shipped configuration, with a small network and two steps."""
    pairs = sample_pairs("cwfid", limit=None)
    config = yaml.safe_load((ROOT / "config/cwfid.yaml").read_text())
    assert list(config["datasets"]) == ["cwfid"] and "segfanet" in config["methods"]
    config |= {
        "mirror": str(SHARED / "datasets" / "samples" / SETS["cwfid"]),
        "device": "cpu",
        "methods": ["segfanet", "average"],
        "train": {"steps": 2, "batch": 1},
        "overrides": {"segfanet": {"options": {"width": 4, "pool": [4, 4, 4]}}},
        "datasets": {"cwfid": {"pairs": pairs}},
    }
    folder = copy_project(tmp_path / "project")
    (folder / "samples.yaml").write_text(yaml.safe_dump(config))
    run = snakemake(folder, configfile="samples.yaml")
    assert run.returncode == 0, run.stdout
    meta = json.loads((folder / "results/cwfid/tiles/dataset.json").read_text())
    assert meta["tiles"] == {"train": 60, "test": 20}
    assert meta["notes"].startswith("4 of 60 pairs. ")
    assert meta["tiling"]["coverage"]["test"]["covered"] == 1
    (table,) = (folder / "results/tables").glob("*_cwfid.csv")
    rows = {row["row"]: row for row in csv.DictReader(table.open())}
    assert set(rows) == {"segfanet", "average"} and not rows["segfanet"]["failure"]
    assert (folder / "results/report/index.html").is_file()
