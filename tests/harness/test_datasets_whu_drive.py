"""WHU-OPT-SAR from its folder on Google Drive, which a server on 127.0.0.1 plays for gdown."""

import json
import sys
from dataclasses import replace

import gdown
import numpy as np
import pytest

from harness.datasets.whu_opt_sar import adapter as whu
from harness.errors import HarnessError
from harness.fetching import drive as drive_module
from harness.fetching.registry import dataset_sources
from harness.fetching.source import ExternalFile
from harness.scenes.splits import choose_split
from harness.tiles.cutting import Tiling, write_store
from harness.tiles.store import TileStore
from tests.helpers.fake_archives import classes, picture, tiff, whu_labels
from tests.helpers.published_servers import FOLDER, Drive, play

NAMES = [name for name, _ in choose_split("whu_opt_sar", None, None)]
SHARED = f"https://drive.google.com/drive/folders/{FOLDER}"


@pytest.fixture(autouse=True)
def own_folder(monkeypatch, tmp_path):
    """Let the registry name the folder that the test plays, and keep gdown's cookies away."""
    real = dataset_sources("whu_opt_sar")
    files = {
        name: ExternalFile(name, (f"{SHARED}#{name}?id={Drive({}).identity(name)}",), page="p")
        if item.urls
        else item
        for name, item in real.items()
    }
    monkeypatch.setattr(whu, "dataset_sources", lambda _: files)
    client = sys.modules[gdown.download.__module__]
    monkeypatch.setattr(client, "DEFAULT_COOKIES_FILE", str(tmp_path / "cookies.txt"))
    monkeypatch.setattr(drive_module, "RETRIES", 0)


def sheets(names, size=(41, 45)):
    """Return the files of sheets, and their pixels: name → (5, height, width), labels as codes."""
    rng = np.random.default_rng(0)
    files, pixels = {}, {}
    for name in names:
        bands = picture(rng, size)
        codes = classes(rng, size, 8) * np.uint8(10)
        pixels[name] = np.concatenate([bands, codes[None]])
        files[f"optical/{name}.tif"] = tiff(bands)
        files[f"lbl/{name}.tif"] = tiff(codes[None])
    return files, pixels


@pytest.fixture(scope="module")
def published():
    """All 200 files in a small size, and other files of the same names."""
    files, pixels = sheets(NAMES)
    others = {f"{folder}/{name}.tif": b"II*\0" for name in NAMES for folder in ("sar", "predict")}
    return {**files, **others}, pixels


def opened(tmp_path, **changes):
    return whu.open_dataset({"cache": str(tmp_path / "cache"), **changes})


def test_an_endless_file_is_given_up_at_its_bound_and_leaves_nothing(
    tmp_path, monkeypatch, published
):
    files, _ = published
    bound = 4 * max(len(data) for data in files.values())
    sources = whu.dataset_sources("whu_opt_sar")
    bounded = {name: replace(item, at_most=bound) for name, item in sources.items()}
    monkeypatch.setattr(whu, "dataset_sources", lambda _: bounded)
    endless = f"lbl/{NAMES[2]}.tif"
    played = Drive(files, {endless: "endless"})
    refused = pytest.raises(HarnessError, match=f"sends more than {bound} bytes")
    with play(monkeypatch, played), refused:
        opened(tmp_path)
    assert [path.name for path in (tmp_path / "cache/lbl").glob(f"*{NAMES[2]}.tif*")] == [
        f".{NAMES[2]}.tif.lock"
    ]


def test_the_folder_arrives_in_two_runs_and_only_the_rest_is_asked_for(
    tmp_path, monkeypatch, published, capsys
):
    files, pixels = published
    optical, lbl = ([f"{folder}/{name}.tif" for name in NAMES] for folder in ("optical", "lbl"))
    missing = [optical[3], lbl[5], lbl[40]]
    wrong = {
        **dict.fromkeys(missing[1:2], "quota"),
        **dict.fromkeys((optical[60], optical[61], lbl[62], lbl[70]), "quota"),
        **dict.fromkeys((optical[10], lbl[30]), "disguised"),
        **dict.fromkeys((optical[20], lbl[33]), "page"),
        **dict.fromkeys((lbl[50], lbl[51]), "short"),
        **dict.fromkeys((optical[7], lbl[8]), "redirect"),
    }
    damaged = {path for path, kind in wrong.items() if kind != "redirect"} | {optical[3]}
    played = Drive(files, wrong, unlisted={optical[3]})
    # The quota strikes single files here: three in a row would end the run.
    with play(monkeypatch, played), pytest.raises(HarnessError) as error:
        opened(tmp_path)
    assert f"{200 - len(damaged)} of 200 are here, {len(damaged)} missing: " in str(error.value)
    assert "run the same command again" in str(error.value)
    printed = capsys.readouterr().err
    assert f"does not list 1 files: {optical[3]}" in printed
    assert "0 of 200 files are here; 200 to download" in printed
    assert played.pages == [
        FOLDER,
        *(f"{FOLDER}-{n}" for n in ("lbl", "optical", "predict", "sar")),
    ]
    cache = tmp_path / "cache"
    here = {str(path.relative_to(cache)) for path in cache.rglob("*.tif")}
    assert here == {*optical, *lbl} - damaged
    assert all((cache / name).read_bytes() == files[name] for name in here)
    hashes = json.loads((cache / "sources.lock.json").read_text())
    assert hashes.keys() == here
    second = Drive(files)
    with play(monkeypatch, second):
        dataset = opened(tmp_path)
    assert {*second.asked} == damaged
    assert dataset.sources[0]["files"] == 200
    for scene in dataset.scenes[::17]:
        expected = pixels[scene.name]
        read = scene.read(0, 0, scene.height, scene.width)
        np.testing.assert_array_equal(read[:4], expected[:4])
        np.testing.assert_array_equal(read[4], whu_labels(expected[4]))


def test_an_exceeded_quota_is_explained_and_ends_the_asking(tmp_path, monkeypatch, published):
    files, _ = published
    names = [*NAMES[:4], NAMES[-1]]
    wrong = {path: "quota" for path in files if path.startswith("optical/")}
    played = Drive(files, wrong)
    with play(monkeypatch, played), pytest.raises(HarnessError) as error:
        opened(tmp_path, train=names[:-1], test=names[-1:])
    for part in ("over the quota", "24 hours", "--cookies-from-browser", "by hand", "limit of Goo"):
        assert part in str(error.value)
    played = Drive(files, dict.fromkeys(files, "quota"))
    with play(monkeypatch, played), pytest.raises(HarnessError, match="3 in a row"):
        opened(tmp_path, train=names[:-1], test=names[-1:])
    assert len(played.asked) == drive_module.PATIENCE


@pytest.mark.parametrize("listing", ["failed", "empty"])
def test_without_a_listing_the_shipped_identities_are_used(
    tmp_path, monkeypatch, published, capsys, listing
):
    files, _ = published
    names = [NAMES[0], NAMES[-1]]
    played = Drive(files, listing=listing != "failed")
    if listing == "empty":
        monkeypatch.setattr(played, "_folder", lambda _: "<html><title>t</title></html>")
    with play(monkeypatch, played):
        dataset = opened(tmp_path, train=names[:1], test=names[1:])
    assert len(dataset.scenes) == 2
    assert len(played.pages) == 1
    assert "cannot be listed" in capsys.readouterr().err


def test_a_path_that_is_listed_twice_is_refused(tmp_path, monkeypatch, published):
    files, _ = published
    names = [NAMES[0], NAMES[-1]]
    played = Drive(files)
    folder = played._folder
    monkeypatch.setattr(
        played,
        "_folder",
        lambda identity: folder(identity).replace(
            "</body>",
            f'<a href="https://drive.google.com/file/d/{"x" * 33}/view">{NAMES[0]}.tif</a></body>'
            if identity.endswith("-lbl")
            else "</body>",
        ),
    )
    with (
        play(monkeypatch, played),
        pytest.raises(HarnessError, match=f"lbl/{NAMES[0]}.tif 2 times"),
    ):
        opened(tmp_path, train=names[:1], test=names[1:])


@pytest.mark.parametrize(
    ("folder", "pixels", "message"),
    [
        ("optical", np.zeros((3, 41, 45), np.uint8), "3 bands, expected 4"),
        ("lbl", np.zeros((3, 41, 45), np.uint8), "3 bands, expected 1"),
        ("lbl", np.full((1, 41, 45), 15, np.uint8), r"holds \[15\], expected labels"),
    ],
)
def test_a_tiff_of_another_kind_is_not_recorded(tmp_path, monkeypatch, folder, pixels, message):
    names = [NAMES[0], NAMES[-1]]
    files, _ = sheets(names)
    files[f"{folder}/{names[0]}.tif"] = tiff(pixels)
    with play(monkeypatch, Drive(files)), pytest.raises(HarnessError, match=message):
        opened(tmp_path, train=names[:1], test=names[1:])
    assert not (tmp_path / f"cache/{folder}/{names[0]}.tif").exists()


@pytest.mark.parametrize("place", ["cache", "mirror", "mirror/data/whu-opt-sar", "root"])
def test_files_by_hand_need_no_network(tmp_path, published, place):
    files, pixels = published
    names = [NAMES[0], NAMES[-1]]
    for name in names:
        for kind in ("optical", "lbl", "sar"):
            path = tmp_path / place / kind / f"{name}.tif"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(files[f"{kind}/{name}.tif"])
    options = {"mirrors": [str(tmp_path / "mirror")]}
    if place == "root":
        options["root"] = str(tmp_path / "root")
    dataset = opened(tmp_path, train=names[:1], test=names[1:], **options)
    for scene in dataset.scenes:
        read = scene.read(0, 0, scene.height, scene.width)
        np.testing.assert_array_equal(read[:4], pixels[scene.name][:4])


def test_flagged_sheets_are_named_and_can_be_dropped_from_training():
    train = {name for name, part in whu.check_options({}).split() if part == "train"}
    kept = {
        name
        for name, part in whu.check_options({"flagged_sheets": "drop_from_training"}).split()
        if part == "train"
    }
    assert len(whu.FLAGGED) == 13
    assert train - kept == whu.FLAGGED & train
    assert len(train - kept) == 12
    assert "NH49E011024 (test)" in whu._flagged(whu.check_options({}).split())
    with pytest.raises(HarnessError, match="flagged_sheets"):
        whu.check_options({"flagged_sheets": "drop"})


@pytest.mark.slow
def test_four_sheets_of_real_size_become_tiles(tmp_path, monkeypatch):
    names = [*NAMES[:3], NAMES[-1]]
    files, pixels = sheets(names, (3704, 5556))
    with play(monkeypatch, Drive(files)):
        dataset = opened(tmp_path, train=names[:3], test=names[3:])
    write_store(dataset, Tiling(), tmp_path / "store", jobs=2)
    store = TileStore(tmp_path / "store")
    assert [len(store.rows(split)) for split in ("train", "test")] == [3 * 216, 216]
    for split in ("train", "test"):
        for row, tile in list(zip(store.rows(split), store.tiles(split), strict=True))[::31]:
            window = pixels[row.scene][:, row.y : row.y + 320, row.x : row.x + 320]
            np.testing.assert_array_equal(tile[:4], window[:4])
            np.testing.assert_array_equal(tile[4], whu_labels(window[4]))
