"""The contact sheet of a tile store."""

import numpy as np
import pytest
from PIL import Image

from harness.pixels import IGNORE
from harness.scenes.scene import Dataset, Scene
from harness.tiles.contact_sheet import COLUMNS, GAP, contact_sheet, write_contact_sheet
from harness.tiles.cutting import Tiling, write_store
from harness.tiles.store import TileStore

PALETTE = ((10, 20, 30), (40, 50, 60))


def make(folder, *, train, test, size=50, labels=True):
    rng = np.random.default_rng(0)
    scenes = []
    for split, width in (("train", train), ("test", test)):
        bands = rng.integers(0, 256, (5, size, max(width, 1) * size), np.uint8)
        bands[4] = bands[4] % 2 if labels else IGNORE
        bands[4, :3] = IGNORE

        def read(y, x, h, w, bands=bands):
            return bands[:, y : y + h, x : x + w]

        if width:
            scenes.append(Scene(split, split, size, width * size, read))
    classes = ("a", "b") if labels else ()
    dataset = Dataset("t", tuple(scenes), classes, PALETTE[: len(classes)])
    write_store(dataset, Tiling(size, size), folder)
    return TileStore(folder)


def test_tiles_stand_in_rows_of_visible_infrared_and_label(tmp_path):
    store = make(tmp_path, train=3, test=2)
    sheet = contact_sheet(store)
    assert sheet.shape == (6 * 50 + 5 * GAP, 3 * 50 + 2 * GAP, 3)
    colours = np.zeros((256, 3), np.uint8)
    colours[:2] = PALETTE
    tile = store.tiles("test")[1]
    across = slice(50 + GAP, 100 + GAP)
    rows = [slice(top, top + 50) for top in range(0, 6 * (50 + GAP), 50 + GAP)]
    np.testing.assert_array_equal(sheet[rows[3], across], np.moveaxis(tile[:3], 0, 2))
    np.testing.assert_array_equal(sheet[rows[4], across], np.stack([tile[3]] * 3, 2))
    np.testing.assert_array_equal(sheet[rows[5], across], colours[tile[4]])
    assert (sheet[rows[3], 100 + 2 * GAP :] == 255).all()


@pytest.mark.parametrize(("train", "labels", "rows"), [(0, True, 3), (2, False, 4), (0, False, 2)])
def test_what_a_set_does_not_have_takes_no_row(tmp_path, train, labels, rows):
    sheet = contact_sheet(make(tmp_path, train=train, test=2, labels=labels))
    assert len(sheet) == rows * (50 + GAP) - GAP


def test_many_large_tiles_become_few_small_ones(tmp_path):
    store = make(tmp_path, train=20, test=1, size=330)
    sheet = contact_sheet(store)
    assert sheet.shape[1] == COLUMNS * 110 + (COLUMNS - 1) * GAP
    last = store.tiles("train")[-1][:3, ::3, ::3]
    np.testing.assert_array_equal(sheet[:110, -110:], np.moveaxis(last, 0, 2))


def test_the_file_is_the_sheet(tmp_path):
    store = make(tmp_path, train=1, test=1)
    path = write_contact_sheet(tmp_path)
    with Image.open(path) as image:
        np.testing.assert_array_equal(np.asarray(image), contact_sheet(store))
