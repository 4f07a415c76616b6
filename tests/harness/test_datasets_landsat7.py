"""The Landsat-7 image that the repository ships."""

import numpy as np
import pytest
import rasterio

from harness.datasets.landsat7 import adapter as landsat7
from harness.errors import HarnessError
from harness.tiles.cutting import Tiling, write_store
from harness.tiles.store import TileStore


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("landsat7")
    write_store(landsat7.open_dataset({}), Tiling(), folder)
    return TileStore(folder)


def test_a_few_tiles_of_either_split_show_every_class(store):
    assert len(store.rows("train")) == 20
    assert len(store.rows("test")) == 5
    for split in ("train", "test"):
        shares = store.meta["content"][split]["class_shares"]
        assert min(shares) > 0.03
        assert sum(shares) == pytest.approx(1)


def test_tiles_are_the_pixels_of_the_file(store):
    with rasterio.open(landsat7.IMAGE) as file:
        picture = file.read()
    first = {name: start for name, _, start, _ in landsat7.PARTS}
    for split in ("train", "test"):
        for row, tile in zip(store.rows(split), store.tiles(split), strict=True):
            y = first[row.scene] + row.y
            expected = picture[:, y : y + 320, row.x : row.x + 320]
            np.testing.assert_array_equal(tile[:4], expected[:4])
            np.testing.assert_array_equal(tile[4], landsat7.derive_classes(expected))


def test_training_and_test_share_no_pixel():
    rows = [set(range(first, end)) for _, _, first, end in landsat7.PARTS]
    assert sum(map(len, rows)) == len(set.union(*rows)) == landsat7.SIZE[0]


def test_classes_follow_their_thresholds():
    # Columns: red, green, blue, near infrared, short-wave infrared.
    pixels = {
        (20, 40, 40, 10, 20): 0,
        (20, 30, 30, 10, 20): 3,
        (30, 30, 30, 50, 60): 1,
        (80, 80, 80, 90, 90): 2,
        (75, 75, 75, 80, 80): 3,
        (0, 0, 0, 0, 0): 3,
    }
    bands = np.array(list(pixels), np.uint8).T[:, None]
    assert landsat7.derive_classes(bands).tolist() == [list(pixels.values())]


def test_classes_are_called_derived_everywhere(store):
    assert all("derived" in name for name in store.classes)
    assert "derived" in store.meta["notes"]


def test_the_card_and_the_code_know_the_same_file():
    card = (landsat7.IMAGE.parent / "README.md").read_text(encoding="utf-8")
    size = landsat7.IMAGE.stat().st_size
    assert landsat7.SHA256 in card
    assert f"{size:,}" in card
    assert size <= 4_000_000


def test_another_file_in_its_place_is_refused(monkeypatch, tmp_path):
    other = tmp_path / landsat7.IMAGE.name
    monkeypatch.setattr(landsat7, "IMAGE", other)
    with pytest.raises(HarnessError, match="missing"):
        landsat7.open_dataset({})
    other.write_bytes(b"other")
    with pytest.raises(HarnessError, match="sha256"):
        landsat7.open_dataset({})


def test_there_is_nothing_to_choose():
    with pytest.raises(HarnessError, match="seed"):
        landsat7.check_options({"seed": 1})
