"""The adapter for a user's own pairs of images, and the encoding of labels."""

import os

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from harness.datasets.tiles import adapter as tiles
from harness.errors import HarnessError
from harness.pixels import IGNORE
from harness.scenes.adapters import adapter_folder, find_adapter
from harness.scenes.labels import LabelEncoding
from harness.tiles.cutting import Tiling, write_store
from harness.tiles.store import TileStore

PALETTE = [[255, 0, 0], [0, 255, 0], [0, 0, 255]]
CLASSES = ["red", "green", "blue"]


class Pairs:
    """A folder of images, and the arrays that they were made from."""

    def __init__(self, root, names=("1", "2", "10"), size=(50, 60)):
        self.root, self.pixels = root, {}
        rng = np.random.default_rng(0)
        for name in names:
            bands = rng.integers(0, 256, (5, *size), np.uint8)
            bands[4] %= 3
            self.pixels[name] = bands
            self.save("rgb", f"{name}.png", np.moveaxis(bands[:3], 0, 2))
            self.save("ir", f"{name}.png", bands[3])
            self.save("seg", f"{name}.png", np.array(PALETTE, np.uint8)[bands[4]])

    def save(self, folder, name, array):
        path = self.root / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(array).save(path)

    def options(self, **changes):
        return {"root": str(self.root), "classes": CLASSES, "palette": PALETTE, **changes}


@pytest.fixture
def pairs(tmp_path):
    return Pairs(tmp_path / "pairs")


def whole(scene):
    return scene.read(0, 0, scene.height, scene.width)


def check(pairs, options):
    dataset = tiles.open_dataset(options)
    for scene in dataset.scenes:
        np.testing.assert_array_equal(whole(scene), pairs.pixels[scene.name])
        scene.close()
        window = scene.read(3, 5, 41, 42)
        np.testing.assert_array_equal(window, pairs.pixels[scene.name][:, 3:44, 5:47])
    return dataset


def split_of(dataset):
    return " ".join(f"{scene.name}:{scene.split}" for scene in dataset.scenes)


def test_images_are_paired_by_name_and_ordered_by_number(pairs):
    dataset = check(pairs, pairs.options())
    assert split_of(dataset) == "1:test 2:test 10:test"
    assert dataset.title == "pairs"


def test_named_test_images_leave_the_others_for_training(pairs):
    dataset = check(pairs, pairs.options(test=[2], title="Mine"))
    assert split_of(dataset) == "1:train 10:train 2:test"
    assert dataset.title == "Mine"


def test_gray_codes_and_ignored_values(pairs):
    for name, bands in pairs.pixels.items():
        codes = np.array([7, 8, 9], np.uint8)[bands[4]]
        codes[:5] = 255
        bands[4, :5] = IGNORE
        pairs.save("seg", f"{name}.png", codes)
    chosen = {"root": str(pairs.root), "classes": CLASSES, "codes": [7, 8, 9], "ignore": [255]}
    dataset = check(pairs, chosen)
    assert len(dataset.palette) == 3
    assert check(pairs, {**chosen, "colours": PALETTE}).palette == tuple(map(tuple, PALETTE))


def test_ignored_colours(pairs):
    for name, bands in pairs.pixels.items():
        colours = np.array(PALETTE, np.uint8)[bands[4]]
        colours[:5] = 0
        bands[4, :5] = IGNORE
        pairs.save("seg", f"{name}.png", colours)
    check(pairs, pairs.options(ignore=[[0, 0, 0]]))


def test_labels_as_a_image_with_a_palette_read_either_way(pairs):
    for name, bands in pairs.pixels.items():
        image = Image.fromarray(bands[4])
        image.putpalette(np.array(PALETTE, np.uint8).tobytes())
        image.save(pairs.root / "seg" / f"{name}.png")
    check(pairs, pairs.options())
    check(pairs, {"root": str(pairs.root), "classes": CLASSES, "codes": [0, 1, 2]})


def test_without_labels_every_pixel_is_ignored(pairs):
    for bands in pairs.pixels.values():
        bands[4] = IGNORE
    assert check(pairs, {"root": str(pairs.root)}).classes == ()


def test_gray_visible_and_coloured_infrared_images(pairs):
    for name, bands in pairs.pixels.items():
        gray = bands[0].copy()
        pairs.save("rgb", f"{name}.png", gray)
        pairs.save("ir", f"{name}.png", np.moveaxis(bands[1:4], 0, 2).copy())
        bands[:3] = gray
    check(pairs, pairs.options(infrared_band=2))


def test_bands_may_be_reordered(pairs):
    for bands in pairs.pixels.values():
        bands[:3] = bands[[2, 1, 0]]
    check(pairs, pairs.options(rgb_bands=[2, 1, 0]))


def test_names_of_one_number_are_ordered_too(tmp_path):
    names = ["00002", "2", "0002", "02", "002"]
    orders = [
        split_of(tiles.open_dataset(Pairs(tmp_path / key, made).options()))
        for key, made in (("a", names), ("b", names[::-1]))
    ]
    assert orders == [" ".join(f"{name}:test" for name in sorted(names))] * 2


def test_file_types_may_differ(pairs):
    for name, bands in pairs.pixels.items():
        (pairs.root / "ir" / f"{name}.png").unlink()
        pairs.save("ir", f"{name}.tif", bands[3])
    check(pairs, pairs.options())


def test_many_scenes_in_parallel_give_the_store_of_one_job(tmp_path):
    pairs = Pairs(tmp_path / "pairs", [str(i) for i in range(8)], (90, 100))
    for jobs in (1, 3):
        folder = tmp_path / str(jobs)
        write_store(tiles.open_dataset(pairs.options()), Tiling(41, 41), folder, jobs=jobs)
    one, three = (TileStore(tmp_path / name).tiles("test") for name in ("1", "3"))
    np.testing.assert_array_equal(one, three)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"root": "/nowhere"}, "/nowhere"),
        ({"classes": ["red"]}, "1 classes, but 3 label values"),
        ({"codes": [1, 2, 3]}, "not both"),
        ({"rgb_bands": [0, 1]}, "three band numbers"),
        ({"rgb_bands": [0, 1, -4]}, "bands count from 0"),
        ({"infrared_band": -1}, "bands count from 0"),
        ({"colours": PALETTE[:2]}, "colours is .* for each of 3 classes"),
        ({"colours": [[1, 2]] * 3}, "colours is .*red, green and blue"),
        ({"colours": [[1, 2, 300]] * 3}, "colours is .*from 0 to 255"),
        ({"palette": [[1], [2], [3]]}, "palette is .*red, green and blue"),
        ({"palette": [[0, 0, 0], [0, 0, 0], [1, 1, 1]]}, "differ by 0"),
        ({"palette": [[0, 0, 300], [0, 0, 0], [1, 1, 1]]}, "0 to 255"),
        ({"palette": [[0, 0], [1, 1], [2, 2]]}, "all three"),
        ({"ignore": [7]}, "all three"),
        ({"tset": ["1"]}, "tset"),
        ({"test": "1"}, "expected a list"),
    ],
)
def test_options_that_cannot_work_are_refused_at_once(pairs, changes, message):
    with pytest.raises(HarnessError, match=message):
        tiles.check_options(pairs.options(**changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"test": ["1.png"]}, r"\['1.png'\], not found in .*names without extension"),
        ({"test": []}, "`test` is empty"),
        ({"test": ["1"], "train": ["1"]}, "stand in `train` and in `test`"),
    ],
)
def test_splits_that_cannot_work_are_refused(pairs, changes, message):
    with pytest.raises(HarnessError, match=message):
        tiles.open_dataset(pairs.options(**changes))


def break_size(pairs):
    pairs.save("ir", "2.png", np.zeros((50, 59), np.uint8))


def break_partner(pairs):
    (pairs.root / "ir" / "2.png").unlink()


def break_name(pairs):
    pairs.save("rgb", "2.bmp", np.zeros((50, 60, 3), np.uint8))


def break_depth(pairs):
    pairs.save("ir", "2.png", np.zeros((50, 60), np.uint16))


def break_depth_of_colour(pairs):
    tifffile.imwrite(pairs.root / "rgb" / "2.tif", np.zeros((50, 60, 3), "u2"), photometric="rgb")
    (pairs.root / "rgb" / "2.png").unlink()


def break_encoding(pairs):
    for folder in ("rgb", "ir", "seg"):
        path = pairs.root / folder / "2.png"
        path.rename(path.with_name(os.fsdecode(b"stra\xdfe.png")))


def break_file(pairs):
    (pairs.root / "rgb" / "2.png").write_bytes(b"no picture")


def break_folder(pairs):
    for path in (pairs.root / "rgb").iterdir():
        path.unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (break_size, "2.png: 50×59 pixels, but"),
        (break_partner, r"rgb.2.png: has no partner in .*ir \(files without one: 1\); .* one name"),
        (break_name, "same name"),
        (break_depth, "expected 8 bits"),
        (break_depth_of_colour, "2.tif: 16-bit TIFF, expected 8 bits"),
        (break_encoding, "name is not UTF-8; rename"),
        (break_file, "not a readable image"),
        (break_folder, "no images"),
    ],
)
def test_folders_that_cannot_be_read_are_refused(pairs, damage, message):
    damage(pairs)
    with pytest.raises(HarnessError, match=message):
        tiles.open_dataset(pairs.options())


def break_tail(pairs):
    path = pairs.root / "rgb" / "2.png"
    path.write_bytes(path.read_bytes()[:-2000])


def break_colour(pairs):
    pairs.save("seg", "2.png", np.full((50, 60, 3), 9, np.uint8))


def break_labels(pairs):
    pairs.save("seg", "2.png", np.zeros((50, 60), np.uint8))


@pytest.mark.parametrize(
    ("damage", "changes", "message"),
    [
        (break_tail, {}, "not a readable image"),
        (break_colour, {}, r"3000 pixels outside the labels \(\(9, 9, 9\) × 3000.*`ignore`"),
        (break_labels, {}, "gray labels"),
        (lambda _: None, {"rgb_bands": [0, 1, 3]}, "band 3 is requested"),
    ],
)
def test_pixels_that_cannot_be_used_are_refused(pairs, damage, changes, message):
    damage(pairs)
    scene = tiles.open_dataset(pairs.options(**changes)).scenes[1]
    with pytest.raises(HarnessError, match=message) as error:
        whole(scene)
    assert "2.png" in str(error.value)


VALUES = ((0, 0, 0), (255, 255, 255), (128, 0, 255), (0, 128, 128))


@given(
    arrays.arrays(np.uint8, (5, 7), elements=st.integers(0, 3)),
    arrays.arrays(np.int64, (3, 5, 7), elements=st.integers(-3, 3)),
)
def test_colours_count_up_to_the_tolerance_and_no_further(labels, noise):
    exact = np.moveaxis(np.array(VALUES)[labels], 2, 0)
    bands = np.clip(exact + noise, 0, 255).astype(np.uint8)
    far = np.abs(bands - exact).max(0) > 2
    encoding = LabelEncoding(VALUES[:3], VALUES[3:], tolerance=2)
    if far.any():
        with pytest.raises(HarnessError, match=f"^here: {far.sum()} pixels outside"):
            encoding.decode(bands, "here")
    bands[:, far] = exact[:, far]
    expected = np.array([0, 1, 2, IGNORE])[labels]
    np.testing.assert_array_equal(encoding.decode(bands, "here"), expected)


def test_wide_images_are_decoded_in_pieces():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, (7, 20_000), np.uint8)
    colours = np.moveaxis(np.array(PALETTE, np.uint8)[labels], 2, 0)
    encoding = LabelEncoding(tuple(map(tuple, PALETTE)))
    np.testing.assert_array_equal(encoding.decode(colours, "here"), labels)


def test_adapters_are_found_by_name_and_others_are_listed():
    assert find_adapter("tiles") is tiles
    with pytest.raises(HarnessError, match=r"landsat7, .*potsdam, .*tiles, .*whu_opt_sar"):
        adapter_folder("splits")


def test_a_subset_of_the_pairs_says_how_many_there_are(pairs):
    dataset = tiles.open_dataset(pairs.options(pairs=["2"], test=["2"]))
    assert [scene.name for scene in dataset.scenes] == ["2"]
    assert dataset.notes.startswith("1 of ")
    with pytest.raises(HarnessError, match=r"`pairs`: no pair '9' in .*rgb; there are"):
        tiles.open_dataset(pairs.options(pairs=["9"]))
