"""Cutting scenes into a store."""

import hashlib
import os
import shutil
import threading
from collections import namedtuple
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.datasets.potsdam import adapter as potsdam
from harness.datasets.whu_opt_sar import adapter as whu_opt_sar
from harness.errors import HarnessError
from harness.pixels import IGNORE
from harness.scenes.scene import Dataset, Scene
from harness.scenes.splits import choose_split
from harness.tiles.cutting import Tiling, offsets, plan, write_store
from harness.tiles.store import TileStore
from tests.helpers.fake_archives import make_potsdam, make_whu, whu_labels, without_hashes

FILES = ("train.npy", "test.npy", "manifest.csv", "dataset.json")
CLASSES = ("a", "b", "c")


def scene(name, split, height, width, seed=0, close=lambda: None):
    rng = np.random.default_rng(seed)
    bands = rng.integers(0, 256, (5, height, width), np.uint8)
    bands[4] %= 3
    bands[4, : height // 4] = IGNORE

    def read(y, x, h, w):
        return bands[:, y : y + h, x : x + w]

    return Scene(name, split, height, width, read, close), bands


def dataset(*scenes, classes=CLASSES):
    palette = tuple((index, index, index) for index in range(len(classes)))
    return Dataset("test", scenes, classes, palette)


@given(st.integers(1, 400), st.integers(0, 2000), st.integers(1, 500))
def test_offsets_cover_every_pixel_and_end_on_the_border(size, more, stride):
    length = size + more
    starts = offsets(length, size, stride)
    assert starts[0] == 0
    assert starts[-1] == length - size
    assert starts == sorted(set(starts))
    assert all(b - a == stride for a, b in pairwise(starts[:-1]))
    if stride <= size:
        assert {p for start in starts for p in range(start, start + size)} == set(range(length))


@pytest.mark.parametrize(
    ("length", "count", "last"), [(6000, 19, 5680), (5556, 18, 5236), (5555, 18, 5235), (320, 1, 0)]
)
def test_offsets_of_the_real_images(length, count, last):
    starts = offsets(length, 320, 320)
    assert (len(starts), starts[-1]) == (count, last)


@pytest.mark.parametrize(("size", "stride"), [(50, 50), (50, 20), (200, 200)])
def test_tiles_are_those_of_naive_slicing_in_the_order_of_the_manifest(tmp_path, size, stride):
    made = {
        "one": scene("one", "train", 130, 101, 1),
        "two": scene("two", "test", 64, 150, 2),
        "three": scene("three", "train", 90, 90, 3),
    }
    write_store(dataset(*(made[name][0] for name in made)), Tiling(size, stride), tmp_path)
    store = TileStore(tmp_path)
    for split, (height, width) in {
        "train": (min(size, 90), min(size, 90)),
        "test": (min(size, 64), min(size, 150)),
    }.items():
        expected = []
        for one, bands in made.values():
            if one.split != split:
                continue
            for row, y in enumerate(offsets(one.height, height, min(stride, height))):
                for col, x in enumerate(offsets(one.width, width, min(stride, width))):
                    expected.append(
                        (one.name, row, col, y, x, bands[:, y : y + height, x : x + width])
                    )
        tiles, rows = store.tiles(split), store.rows(split)
        assert len(tiles) == len(rows) == len(expected)
        for tile, row, (name, *place, pixels) in zip(tiles, rows, expected, strict=True):
            assert (row.scene, row.row, row.col, row.y, row.x) == (name, *place)
            np.testing.assert_array_equal(tile, pixels)
        assert store.meta["tiling"]["coverage"][split]["covered"] == 1


def test_the_result_does_not_depend_on_the_number_of_jobs(tmp_path):
    scenes = [scene(f"s{i}", "train" if i % 3 else "test", 90 + i, 120, i)[0] for i in range(9)]
    hashes = {}
    for jobs in (1, 2, 5):
        folder = tmp_path / str(jobs)
        write_store(dataset(*scenes), Tiling(41, 41), folder, jobs=jobs)
        hashes[jobs] = [hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in FILES]
    assert hashes[1] == hashes[2] == hashes[5]


def test_scenes_are_read_at_the_same_time(tmp_path):
    both = threading.Barrier(2, timeout=30)

    def waiting(name):
        inner, _ = scene(name, "test", 41, 41)

        def read(*window):
            both.wait()
            return inner.read(*window)

        return Scene(name, "test", 41, 41, read)

    write_store(dataset(waiting("one"), waiting("two")), Tiling(41, 41), tmp_path, jobs=2)


def test_content_counts_classes_and_bands(tmp_path):
    one, bands = scene("one", "test", 82, 123)
    write_store(dataset(one), Tiling(41, 41), tmp_path)
    content = TileStore(tmp_path).meta["content"]
    found, empty = content["test"], content["train"]
    assert found["pixels"] == bands[0].size
    shares = [(bands[4] == index).mean() for index in range(3)]
    np.testing.assert_allclose(found["class_shares"], shares)
    assert found["ignored_share"] == pytest.approx((bands[4] == IGNORE).mean())
    names = ("red", "green", "blue", "infrared")
    np.testing.assert_allclose([found["band_means"][n] for n in names], bands[:4].mean((1, 2)))
    assert empty["pixels"] == 0
    assert empty["class_shares"] == [0, 0, 0]


def test_a_set_without_labels(tmp_path):
    one, bands = scene("one", "test", 50, 50)
    bands[4] = IGNORE
    write_store(dataset(one, classes=()), Tiling(), tmp_path)
    store = TileStore(tmp_path)
    assert store.classes == []
    assert store.meta["content"]["test"]["ignored_share"] == 1


def test_every_scene_is_closed_even_after_a_failure(tmp_path):
    closed = []
    scenes = [
        scene(name, "test", 41, 41, close=lambda name=name: closed.append(name))[0]
        for name in ("one", "two")
    ]
    write_store(dataset(*scenes), Tiling(), tmp_path)
    assert closed == ["one", "two"]

    def read(*_):
        raise HarnessError("two.tif: damaged")

    broken = Scene("two", "test", 41, 41, read, lambda: closed.append("broken"))
    with pytest.raises(HarnessError, match="damaged"):
        write_store(dataset(scenes[0], broken), Tiling(), tmp_path)
    assert closed[-1] == "broken"


def leftovers(folder):
    return [path.name for path in folder.iterdir()] if folder.exists() else []


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.full((5, 50, 50), 3, np.uint8), r"tile one_r00c00: labels \[3\] of a set of 3 classes"),
        (np.zeros((4, 50, 50), np.uint8), r"scene one: uint8 \(4, 50, 50\)"),
        (np.zeros((5, 50, 49), np.uint8), r"scene one: uint8 \(5, 50, 49\)"),
        (np.zeros((5, 50, 50), np.float32), "scene one: float32"),
    ],
)
def test_wrong_pixels_are_refused_and_leave_nothing(tmp_path, pixels, message):
    one = Scene("one", "test", 50, 50, lambda *_: pixels)
    with pytest.raises(HarnessError, match=message):
        write_store(dataset(one), Tiling(), tmp_path / "store")
    assert set(leftovers(tmp_path / "store")) <= {"train.npy"}


@pytest.mark.parametrize(
    ("scenes", "message"),
    [
        ([], "no scenes"),
        ([scene("one", "test", 40, 50)[0]], "scene one: 40×50"),
        ([scene("one", "test", 50, 50)[0], scene("one", "train", 50, 50)[0]], "2 scenes have this"),
    ],
)
def test_sets_that_cannot_be_cut_are_refused(tmp_path, scenes, message):
    with pytest.raises(HarnessError, match=message):
        plan(dataset(*scenes), Tiling())


@pytest.mark.parametrize("tiling", [{"size": 40}, {"stride": 0}, {"size": 64, "stride": 65}])
def test_tilings_that_cannot_be_are_refused(tiling):
    with pytest.raises(HarnessError, match=r"tiling: (size|stride)"):
        Tiling(**tiling)


def test_too_little_disk_is_found_before_reading(tmp_path, monkeypatch):
    usage = namedtuple("Usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10, 9, 100))
    with pytest.raises(HarnessError, match="only 100 bytes are free"):
        write_store(dataset(scene("one", "test", 50, 50)[0]), Tiling(), tmp_path)
    assert set(leftovers(tmp_path)) <= {"train.npy"}


def test_a_disk_that_fills_up_leaves_no_half_file(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(HarnessError, match="disk is full"):
        write_store(dataset(scene("one", "test", 50, 50)[0]), Tiling(), tmp_path)
    assert set(leftovers(tmp_path)) <= {"train.npy"}


@pytest.mark.slow
def test_potsdam_at_full_size(tmp_path, monkeypatch):
    without_hashes(monkeypatch)
    names = [choose_split("potsdam", None, None)[i][0] for i in (0, -1)]
    pixels = make_potsdam(
        tmp_path / "data", names, size=(6000, 6000), participants=names[:1], layout="outer"
    )
    options = {"train": names[:1], "test": names[1:], "cache": str(tmp_path / "cache")}
    source = potsdam.open_dataset({**options, "mirrors": [str(tmp_path / "data")]})
    check_full_size(source, pixels, tmp_path / "store", 361)


@pytest.mark.slow
def test_whu_opt_sar_at_full_size(tmp_path, monkeypatch):
    without_hashes(monkeypatch)
    names = [choose_split("whu_opt_sar", None, None)[i][0] for i in (0, -1)]
    sizes = {names[0]: (3704, 5556), names[1]: (3704, 5555)}
    pixels = make_whu(tmp_path / "data", sizes)
    for bands in pixels.values():
        bands[4] = whu_labels(bands[4])
    options = {"root": str(tmp_path / "data"), "cache": str(tmp_path / "cache")}
    source = whu_opt_sar.open_dataset({**options, "train": names[:1], "test": names[1:]})
    check_full_size(source, pixels, tmp_path / "store", 216)


def check_full_size(source, pixels, folder, count):
    write_store(source, Tiling(), folder, jobs=2)
    store = TileStore(folder)
    for split in ("train", "test"):
        tiles, rows = store.tiles(split), store.rows(split)
        assert len(rows) == count
        for row, tile in zip(rows, tiles, strict=True):
            expected = pixels[row.scene][:, row.y : row.y + 320, row.x : row.x + 320]
            np.testing.assert_array_equal(tile, expected)
