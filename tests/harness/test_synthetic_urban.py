"""The rendered town that the repository ships."""

import shutil

import numpy as np
import pytest
from PIL import Image

from harness.datasets.synthetic_urban import adapter as town
from harness.errors import HarnessError
from harness.scenes.scene import BANDS
from harness.tiles.cutting import Tiling, write_store
from harness.tiles.store import TileStore

IMPERVIOUS, BUILDING, LOW, TREE, CAR, CLUTTER = range(6)
CARD = (town.FOLDER / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def scenes():
    """All scenes by name, decoded whole."""
    return {
        scene.name: scene.read(0, 0, scene.height, scene.width)
        for scene in town.open_dataset({}).scenes
    }


@pytest.fixture
def copied(monkeypatch, tmp_path):
    """A copy of the shipped images that a test may damage, in the place of the real ones."""
    folder = tmp_path / "town"
    shutil.copytree(town.FOLDER, folder)
    monkeypatch.setattr(town, "FOLDER", folder)
    return folder


def test_three_scenes_are_for_training_and_one_is_for_testing():
    dataset = town.open_dataset({})
    assert [(scene.name, scene.split) for scene in dataset.scenes] == [
        ("train_00", "train"),
        ("train_01", "train"),
        ("train_02", "train"),
        ("test_00", "test"),
    ]
    assert {(scene.height, scene.width) for scene in dataset.scenes} == {(640, 640)}
    assert dataset.classes == town.CLASSES
    assert dataset.palette == town.PALETTE
    assert [source["name"] for source in dataset.sources] == list(town.HASHES)


def test_visible_infrared_and_labels_are_registered_pairs_of_bytes(scenes):
    for bands in scenes.values():
        assert bands.shape == (len(BANDS), 640, 640)
        assert bands.dtype == np.uint8


def test_scenes_of_both_splits_share_no_ground(scenes):
    labels = [bands[4] for bands in scenes.values()]
    for i, one in enumerate(labels):
        for other in labels[:i]:
            assert (one != other).mean() > 0.3


def test_every_label_colour_is_exactly_that_of_a_class(scenes):
    for name, bands in scenes.items():
        with Image.open(town.FOLDER / "seg" / f"{name}.png") as image:
            colours = np.asarray(image.convert("RGB"))
        np.testing.assert_array_equal(colours, np.array(town.PALETTE, np.uint8)[bands[4]])


def test_every_scene_holds_all_classes_in_shares_of_a_town(scenes):
    plausible = {
        IMPERVIOUS: (0.15, 0.55),
        BUILDING: (0.05, 0.50),
        LOW: (0.08, 0.45),
        TREE: (0.03, 0.35),
        CAR: (0.004, 0.06),
        CLUTTER: (0.001, 0.20),
    }
    for bands in scenes.values():
        shares = np.bincount(bands[4].ravel(), minlength=6) / bands[4].size
        for label, (low, high) in plausible.items():
            assert low < shares[label] < high, town.CLASSES[label]


def test_only_vegetation_is_bright_in_infrared_and_dark_in_red(scenes):
    for bands in scenes.values():
        red, infrared = bands[0].astype(float), bands[3].astype(float)
        index = (infrared - red) / (infrared + red)
        for label in (LOW, TREE):
            assert index[bands[4] == label].mean() > 0.18
        for label in (IMPERVIOUS, BUILDING, CAR, CLUTTER):
            assert index[bands[4] == label].mean() < 0.05


def test_bands_look_like_an_aerial_photograph(scenes):
    for bands in scenes.values():
        pixels = bands[:4].reshape(4, -1).astype(float)
        red, green, blue, infrared = pixels
        assert ((pixels.mean(axis=1) > 50) & (pixels.mean(axis=1) < 110)).all()
        assert 0.25 < np.corrcoef(infrared, red)[0, 1] < 0.85
        assert np.corrcoef(red, green)[0, 1] > 0.8 < np.corrcoef(green, blue)[0, 1]
        assert (pixels == 255).mean() < 0.01


def test_the_demonstration_s_tiles_have_the_shares_of_the_card(tmp_path):
    write_store(town.open_dataset({}), Tiling(128, 128), tmp_path)
    store = TileStore(tmp_path)
    assert {split: len(store.rows(split)) for split in ("train", "test")} == {
        "train": 75,
        "test": 25,
    }
    shares = [store.meta["content"][split]["class_shares"] for split in ("train", "test")]
    for name, train, test in zip(store.classes, *shares, strict=True):
        row = next(line for line in CARD.splitlines() if line.startswith(f"| {name} |"))
        assert f"| {100 * train:.1f} % | {100 * test:.1f} % |" in row


def test_the_card_states_the_number_of_bytes():
    assert f"{sum((town.FOLDER / name).stat().st_size for name in town.HASHES):,}" in CARD


def test_a_changed_image_is_refused(copied):
    path = copied / "ir" / "train_01.png"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(HarnessError, match=r"ir/train_01\.png: its sha256 is .*, expected"):
        town.open_dataset({})


def test_a_missing_image_is_refused(copied):
    (copied / "seg" / "test_00.png").unlink()
    with pytest.raises(HarnessError, match=r"seg/test_00\.png: missing.*check it out again"):
        town.open_dataset({})


def test_there_is_nothing_to_choose():
    for refuse in (town.check_options, town.open_dataset):
        with pytest.raises(HarnessError, match="seed"):
            refuse({"seed": 1})
