import math

import numpy as np
import pytest

from harness.datasets.synthetic_urban.adapter import (
    CLASSES,
    PALETTE,
    check_options,
    open_dataset,
    render,
)
from harness.datasets.synthetic_urban.ground import area, contains, cut, halves, inset
from harness.datasets.synthetic_urban.scene import Place, majority, sunlit
from harness.errors import HarnessError
from harness.scenes.scene import BANDS

IMPERVIOUS, BUILDING, LOW, TREE, CAR, CLUTTER = range(6)
SQUARE = np.array(((0.0, 0.0), (10.0, 0.0), (10.0, 10.0), (0.0, 10.0)))


@pytest.fixture(scope="module")
def pictures():
    """Two whole towns' first scenes at the default size."""
    return [render(seed, "train", 0, 640) for seed in (0, 5)]


def test_describes_scenes_of_both_splits():
    dataset = open_dataset({"train_scenes": 3, "test_scenes": 1, "size": 50})
    assert [scene.name for scene in dataset.scenes] == [
        "train_00",
        "train_01",
        "train_02",
        "test_00",
    ]
    assert {(scene.height, scene.width) for scene in dataset.scenes} == {(50, 50)}
    assert dataset.scenes[3].split == "test"
    assert dataset.classes == CLASSES
    assert len(CLASSES) == len(PALETTE) == len(set(PALETTE)) == 6


def test_a_scene_depends_on_seed_split_and_index_alone():
    few = open_dataset({"train_scenes": 1, "test_scenes": 1, "size": 64})
    many = open_dataset({"train_scenes": 2, "test_scenes": 2, "size": 64})
    first = {scene.name: scene.read(0, 0, 64, 64) for scene in few.scenes}
    render.cache_clear()
    again = {scene.name: scene.read(0, 0, 64, 64) for scene in reversed(many.scenes)}
    for name, picture in first.items():
        np.testing.assert_array_equal(picture, again[name])


def test_seeds_splits_and_indices_give_different_towns():
    keys = [(0, "train", 0), (0, "train", 1), (0, "test", 0), (1, "train", 0)]
    labels = [render(*key, 64)[4] for key in keys]
    for i, one in enumerate(labels):
        for other in labels[:i]:
            assert (one != other).mean() > 0.3


def test_windows_are_crops_of_the_whole():
    scene = open_dataset({"size": 90}).scenes[0]
    whole = scene.read(0, 0, 90, 90)
    for y, x, height, width in ((0, 0, 32, 48), (58, 13, 32, 32), (17, 89, 40, 1)):
        window = scene.read(y, x, height, width)
        np.testing.assert_array_equal(window, whole[:, y : y + height, x : x + width])


def test_what_a_reader_does_to_a_window_stays_there():
    scene = open_dataset({"size": 64}).scenes[0]
    window = scene.read(0, 0, 64, 64)
    expected = window.copy()
    window[:] = 0
    np.testing.assert_array_equal(scene.read(0, 0, 64, 64), expected)


def test_global_random_state_is_left_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    render.cache_clear()
    render(3, "train", 0, 64)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


@pytest.mark.parametrize("size", [41, 64, 250, 640])
def test_any_size_is_rendered(size):
    picture = open_dataset({"size": size}).scenes[0].read(0, 0, size, size)
    assert picture.shape == (len(BANDS), size, size)
    assert picture.dtype == np.uint8
    assert picture[4].max() < len(CLASSES)
    assert len(np.unique(picture[4])) >= 4
    assert (picture[:4].std(axis=(1, 2)) > 10).all()


def test_class_shares_are_those_of_a_town(pictures):
    plausible = {
        IMPERVIOUS: (0.15, 0.55),
        BUILDING: (0.05, 0.50),
        LOW: (0.08, 0.45),
        TREE: (0.03, 0.35),
        CAR: (0.004, 0.06),
        CLUTTER: (0.001, 0.20),
    }
    for picture in pictures:
        shares = np.bincount(picture[4].ravel(), minlength=6) / picture[4].size
        for label, (low, high) in plausible.items():
            assert low < shares[label] < high, CLASSES[label]


def test_only_vegetation_is_bright_in_infrared_and_dark_in_red(pictures):
    for picture in pictures:
        red, infrared = picture[0].astype(float), picture[3].astype(float)
        index = (infrared - red) / (infrared + red)
        for label in (LOW, TREE):
            assert index[picture[4] == label].mean() > 0.18
        for label in (IMPERVIOUS, BUILDING, CAR, CLUTTER):
            assert index[picture[4] == label].mean() < 0.05


def test_bands_look_like_an_aerial_photograph(pictures):
    for picture in pictures:
        bands = picture[:4].reshape(4, -1).astype(float)
        red, green, blue, infrared = bands
        assert ((bands.mean(axis=1) > 50) & (bands.mean(axis=1) < 110)).all()
        assert 0.25 < np.corrcoef(infrared, red)[0, 1] < 0.85
        assert np.corrcoef(red, green)[0, 1] > 0.8 < np.corrcoef(green, blue)[0, 1]
        assert (bands == 255).mean() < 0.01


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sead": 1}, ["sead", "seed"]),
        ({"size": 40}, ["size", "40", "41"]),
        ({"size": "640"}, ["size", "'640'", "int"]),
        ({"size": 64.0}, ["size", "64.0", "int"]),
        ({"train_scenes": 0}, ["train_scenes", "0", "1"]),
        ({"test_scenes": True}, ["test_scenes", "True", "int"]),
        ({"seed": -1}, ["seed", "-1", "0"]),
    ],
)
def test_bad_options_are_refused(options, words):
    for refuse in (check_options, open_dataset):
        with pytest.raises(HarnessError) as caught:
            refuse(options)
        for word in words:
            assert word in str(caught.value)


@pytest.mark.parametrize("azimuth", [0, 90, 180, 225])
def test_a_tower_throws_its_shadow_away_from_the_sun(azimuth):
    height = np.zeros((200, 200), np.float32)
    height[90:110, 90:110] = 5.0
    elevation, turn = math.radians(45), math.radians(azimuth)
    flat = math.cos(elevation)
    sun = (flat * math.sin(turn), -flat * math.cos(turn), math.sin(elevation))
    lit = sunlit(height, 0.1, sun)
    y, x = np.mgrid[:200, :200] - 99.5
    away = -(x * math.sin(turn) - y * math.cos(turn))
    aside = x * math.cos(turn) + y * math.sin(turn)
    assert lit[(abs(aside) < 5) & (away > 16) & (away < 55)].max() == 0
    assert lit[(away < -16) | (away > 68) | (abs(aside) > 18)].min() == 1
    assert lit[95:105, 95:105].min() == 1


def test_majority_of_a_block():
    labels = np.array([[0, 0, 5, 4], [0, 1, 5, 5], [2, 2, 3, 3], [2, 2, 3, 3]], np.uint8)
    np.testing.assert_array_equal(majority(labels, 2), [[0, 5], [2, 3]])


def test_polygons_are_cut_and_shrunk():
    assert area(SQUARE) == pytest.approx(100)
    assert area(cut(SQUARE, np.array((4.0, 0.0)), np.array((1.0, 0.0)))) == pytest.approx(60)
    assert area(inset(SQUARE, 1.0)) == pytest.approx(64)
    assert area(inset(SQUARE, 6.0)) == 0
    assert [area(part) for part in halves(SQUARE, 0.3)] == pytest.approx([30, 70])


def test_a_rectangle_lies_inside_with_all_its_corners():
    assert contains(SQUARE, Place(5, 5, 0.0, 4.9, 4.9))
    assert not contains(SQUARE, Place(5, 5, 0.0, 5.1, 1.0))
    assert not contains(SQUARE, Place(5, 5, math.pi / 4, 4.0, 4.0))
