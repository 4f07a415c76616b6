"""WHU-OPT-SAR, from made-up archives in its exact layout."""

import numpy as np
import pytest

from harness.datasets.whu_opt_sar import adapter as whu_opt_sar
from harness.errors import HarnessError
from harness.scenes.scene import Dataset, Scene
from harness.scenes.splits import choose_split
from harness.tiles.cutting import Tiling, plan
from tests.helpers.fake_archives import make_whu, tiff, whu_labels, without_hashes


@pytest.fixture(autouse=True)
def made_up(monkeypatch):
    without_hashes(monkeypatch)


@pytest.fixture
def names():
    """Two training sheets and one test sheet of the real list."""
    split = choose_split("whu_opt_sar", None, None)
    train, test = ([name for name, part in split if part == key] for key in ("train", "test"))
    return [*train[:2], test[0]]


@pytest.fixture
def sizes(names):
    """Sheets of different widths, as the real ones are."""
    return dict(zip(names, [(60, 72), (60, 71), (60, 72)], strict=True))


def options(tmp_path, names, **changes):
    lists = {"train": names[:2], "test": names[2:]}
    return {"root": str(tmp_path / "data"), "cache": str(tmp_path / "cache"), **lists, **changes}


def whole(scene):
    return scene.read(0, 0, scene.height, scene.width)


@pytest.mark.parametrize("layout", ["archives", "loose"])
def test_every_layout_gives_the_same_pixels(tmp_path, names, sizes, layout):
    pixels = make_whu(tmp_path / "data", sizes, layout=layout)
    dataset = whu_opt_sar.open_dataset(options(tmp_path, names))
    assert dataset.classes == whu_opt_sar.CLASSES
    for scene, name in zip(dataset.scenes, names, strict=True):
        assert (scene.name, scene.height, scene.width) == (name, *sizes[name])
        np.testing.assert_array_equal(whole(scene)[:4], pixels[name][:4])
        np.testing.assert_array_equal(whole(scene)[4], whu_labels(pixels[name][4]))


def test_labels_round_trip_to_the_published_codes(tmp_path, names, sizes):
    pixels = make_whu(tmp_path / "data", sizes)
    codes = np.array([*whu_opt_sar.CODES, *[0] * (256 - len(whu_opt_sar.CODES))])
    for scene in whu_opt_sar.open_dataset(options(tmp_path, names)).scenes:
        np.testing.assert_array_equal(codes[whole(scene)[4]], pixels[scene.name][4])


def test_background_can_be_a_class(tmp_path, names, sizes):
    pixels = make_whu(tmp_path / "data", sizes)
    dataset = whu_opt_sar.open_dataset(options(tmp_path, names, background=True))
    assert dataset.classes == ("background", *whu_opt_sar.CLASSES)
    assert len(dataset.palette) == 8
    for scene in dataset.scenes:
        expected = whu_labels(pixels[scene.name][4], background=True)
        np.testing.assert_array_equal(whole(scene)[4], expected)


def test_the_order_of_bands_can_be_chosen(tmp_path, names, sizes):
    pixels = make_whu(tmp_path / "data", sizes)
    chosen = options(tmp_path, names, rgb_bands=[2, 1, 0], infrared_band=3)
    scene = whu_opt_sar.open_dataset(chosen).scenes[0]
    np.testing.assert_array_equal(whole(scene)[:4], pixels[names[0]][[2, 1, 0, 3]])


def test_sixteen_bits_are_scaled_by_percentiles_without_a_change_of_colour(tmp_path, names, sizes):
    pixels = make_whu(tmp_path / "data", sizes, dtype=np.uint16)
    for scene in whu_opt_sar.open_dataset(options(tmp_path, names)).scenes:
        raw = pixels[scene.name][:4].astype(float)
        low, high = np.percentile(raw[:3], [2, 98])
        visible = np.rint(np.clip((raw[:3] - low) / (high - low) * 255, 0, 255))
        low, high = np.percentile(raw[3], [2, 98])
        infrared = np.rint(np.clip((raw[3] - low) / (high - low) * 255, 0, 255))
        np.testing.assert_allclose(whole(scene)[:3], visible, atol=1)
        np.testing.assert_allclose(whole(scene)[3], infrared, atol=1)
        window = scene.read(5, 6, 41, 42)
        np.testing.assert_array_equal(window, whole(scene)[:, 5:46, 6:48])


def test_a_constant_image_of_sixteen_bits_does_not_divide_by_nothing(tmp_path, names, sizes):
    make_whu(tmp_path / "data", sizes, dtype=np.uint16, layout="loose")
    flat = np.full((4, *sizes[names[0]]), 900, np.uint16)
    (tmp_path / "data/optical" / f"{names[0]}.tif").write_bytes(tiff(flat))
    scene = whu_opt_sar.open_dataset(options(tmp_path, names)).scenes[0]
    assert not whole(scene)[:4].any()


def test_a_code_that_is_no_class_is_refused_with_its_count(tmp_path, names, sizes):
    pixels = make_whu(tmp_path / "data", sizes, layout="loose")
    codes = pixels[names[0]][4].copy()
    codes[0, :7] = 15
    (tmp_path / "data/lbl" / f"{names[0]}.tif").write_bytes(tiff(codes[None]))
    with pytest.raises(HarnessError, match=r"7 pixels outside the labels \(15 × 7"):
        whole(whu_opt_sar.open_dataset(options(tmp_path, names)).scenes[0])


@pytest.mark.parametrize(
    ("folder", "pixels", "message"),
    [
        ("lbl", np.zeros((1, 60, 70), np.uint8), "60×70 pixels, but"),
        ("lbl", np.zeros((1, 60, 72), np.uint16), "expected uint8 labels"),
        ("optical", np.zeros((3, 60, 72), np.uint8), "3 bands"),
        ("optical", np.zeros((4, 60, 72), np.float32), "float32"),
    ],
)
def test_a_image_of_another_kind_is_refused(tmp_path, names, sizes, folder, pixels, message):
    make_whu(tmp_path / "data", sizes, layout="loose")
    (tmp_path / "data" / folder / f"{names[0]}.tif").write_bytes(tiff(pixels))
    with pytest.raises(HarnessError, match=message) as error:
        whu_opt_sar.open_dataset(options(tmp_path, names))
    assert f"{names[0]}.tif" in str(error.value)


def test_what_is_missing_is_named(tmp_path, names, sizes):
    del sizes[names[2]]
    make_whu(tmp_path / "data", sizes)
    with pytest.raises(HarnessError) as error:
        whu_opt_sar.open_dataset(options(tmp_path, names))
    missing = [f"{folder}/{names[2]}.tif" for folder in ("optical", "lbl")]
    for part in ("4 of 6 are here, 2 missing", *missing, "https://example.org"):
        assert part in str(error.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rgb_bands": [0, 1, 1]}, "four different"),
        ({"rgb_bands": [0, 1]}, "four different"),
        ({"infrared_band": -1}, "four different"),
        ({"percentiles": [98, 2]}, "percentiles"),
        ({"percentiles": [2]}, "percentiles"),
        ({"train": ["NH49"]}, "NH49"),
    ],
)
def test_options_that_cannot_work_are_refused(tmp_path, names, changes, message):
    (tmp_path / "data").mkdir()
    with pytest.raises(HarnessError, match=message):
        whu_opt_sar.check_options(options(tmp_path, names, **changes))


@pytest.mark.parametrize("width", [5556, 5555])
def test_the_paper_s_tile_counts(width):
    def read(*_):
        raise AssertionError

    split = choose_split("whu_opt_sar", None, None)
    scenes = tuple(Scene(name, part, 3704, width, read) for name, part in split)
    rows = plan(Dataset("whu", scenes), Tiling())
    assert len(scenes) == 100
    assert {part: len(tiles) for part, tiles in rows.items()} == {"train": 17_280, "test": 4_320}
    last = rows["train"][215]
    assert (last.row, last.col, last.y, last.x) == (11, 17, 3384, width - 320)
