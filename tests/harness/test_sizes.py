"""Images of many sizes: the store, the fused stack, and what is measured of them."""

import itertools
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from harness.disk.schema import ROOT
from harness.errors import HarnessError
from harness.scenes.scene import Dataset, Extent, Scene, SceneSizes
from harness.tiles.array_file import Images, TileFile, array_shape
from harness.tiles.contact_sheet import write_contact_sheet
from harness.tiles.cutting import Tiling, coverage, plan, write_store
from harness.tiles.store import Pairs, TileStore, map_array
from metrics.images import read_grey
from metrics.scoring import score

SIZES = [(50, 61), (50, 61), (41, 90), (77, 48), (77, 48), (50, 61)]
SIDES = st.integers(41, 400)


def scenes(split="test"):
    made = {}
    for index, (height, width) in enumerate(SIZES):
        bands = np.random.default_rng(index).integers(0, 256, (5, height, width), np.uint8)
        bands[4] = 255

        def read(y, x, height, width, bands=bands):
            return bands[:, y : y + height, x : x + width]

        made[f"im{index}"] = Scene(f"im{index}", split, height, width, read), bands
    return made


@pytest.fixture
def store(tmp_path):
    made = scenes()
    write_store(Dataset("mixed", tuple(one for one, _ in made.values())), WHOLE, tmp_path)
    return TileStore(tmp_path), [bands for _, bands in made.values()]


WHOLE = Tiling(whole=True)


def test_whole_images_lie_one_after_the_other(store):
    found, bands = store
    assert found.names("test") == [f"im{index}" for index in range(len(SIZES))]
    flat = map_array(found.folder / "test.npy")
    assert flat.shape == (sum(5 * h * w for h, w in SIZES),)
    for row, expected in zip(found.rows("test"), bands, strict=True):
        part = flat[row.offset : row.offset + expected.size]
        np.testing.assert_array_equal(part.reshape(5, *row.size), expected)
    assert found.meta["tiling"]["coverage"]["test"] == {"covered": 1, "more_than_once": 0}
    assert found.meta["tiling"]["sizes"]["test"] == "3 sizes, 50×61 to 77×48"
    assert found.tiles("train").shape[0] == 0


def test_parts_join_neighbours_of_one_size(store):
    pairs = store[0].test
    assert pairs.parts(8) == [slice(0, 2), slice(2, 3), slice(3, 5), slice(5, 6)]
    assert pairs.parts(1) == [slice(i, i + 1) for i in range(6)]
    for part in pairs.parts(8):
        for index, rgb in enumerate(pairs.rgb(part), part.start):
            np.testing.assert_array_equal(rgb, store[1][index][:3])
    assert pairs.largest == (77, 48)


def test_large_images_come_in_small_parts():
    large = np.zeros((6, 5, 700, 900), np.uint8)
    assert Pairs(large).parts(8) == [slice(0, 2), slice(2, 4), slice(4, 6)]


def test_training_tiles_keep_their_size_beside_whole_test_images(tmp_path):
    test = [one for one, _ in scenes().values()]
    train = Scene("t", "train", 100, 130, lambda y, x, h, w: np.full((5, h, w), 255, np.uint8))
    write_store(Dataset("both", (train, *test)), Tiling(50, 50, whole=True), tmp_path)
    found = TileStore(tmp_path)
    assert found.tiles("train").shape == (6, 5, 50, 50)
    assert found.names("test")[0] == "im0"
    write_contact_sheet(tmp_path)


@settings(max_examples=60)
@given(st.lists(st.tuples(SIDES, SIDES), min_size=1, max_size=5), st.data())
def test_every_pixel_is_covered_whatever_the_sizes(sizes, data):
    size = data.draw(st.integers(41, 350))
    tiling = Tiling(size, data.draw(st.integers(1, size).filter(lambda s: 8 * s > size)))
    extents = tuple(Extent(f"s{i}", "test", *size) for i, size in enumerate(sizes))
    rows = plan(SceneSizes(extents), tiling)["test"]
    for extent in extents:
        seen = np.zeros((extent.height, extent.width), int)
        for row in (row for row in rows if row.scene == extent.name):
            assert row.size == (min(size, extent.height), min(size, extent.width))
            seen[row.y : row.y + row.height, row.x : row.x + row.width] += 1
        assert seen.all()
        own = coverage([extent], [row for row in rows if row.scene == extent.name])
        assert own == {"covered": 1.0, "more_than_once": pytest.approx((seen > 1).mean())}
    offsets = itertools.accumulate((5 * row.height * row.width for row in rows), initial=0)
    assert [row.offset for row in rows] == list(offsets)[:-1]


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 4)), max_size=6))
def test_a_file_gives_back_the_images_of_any_shapes(tmp_path_factory, shapes):
    path = tmp_path_factory.mktemp("file") / "a.npy"
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, shape, np.uint8) for shape in shapes]
    with TileFile(path, shapes, (9, 9)) as file:
        for index in reversed(range(len(images))):
            file.write(index, images[index])
    array = np.load(path)
    assert array.shape == array_shape(shapes, (9, 9))
    for found, image in zip(Images(array, shapes), images, strict=True):
        np.testing.assert_array_equal(found, image)


def test_a_stack_of_other_sizes_is_refused(store, tmp_path):
    (tmp_path / "manifest.csv").write_text(
        (tmp_path / "manifest.csv").read_text().replace(",50,61,", ",51,61,")
    )
    with pytest.raises(HarnessError, match="but the manifest lists 6 tiles"):
        TileStore(tmp_path).pairs("test")


def stage(name, *arguments, folder):
    command = [sys.executable, "-m", f"harness.stages.{name}", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("method", ["average", "laplacian_pyramid"])
def test_the_workflow_measures_what_fuse_and_score_measure(tmp_path, method):
    """Whole images through the stages and through the commands: equal to the last bit."""
    images = tmp_path / "images"
    for folder, channels in (("rgb", 3), ("ir", 1)):
        (images / folder).mkdir(parents=True)
        for index, size in enumerate(SIZES):
            pixels = np.random.default_rng([channels, index]).integers(
                0, 256, (*size, channels), np.uint8
            )
            Image.fromarray(pixels.squeeze()).save(images / folder / f"{index}.png")
    tiles, run = tmp_path / "store", tmp_path / "run"
    options = json.dumps({"root": str(images)})
    said = stage(
        *("prepare", "--adapter", "tiles", "--options", options, "--whole", "--output", tiles),
        folder=tmp_path,
    )
    assert "test: tiles cover 100.00% of the pixels, 0.00% more than once" in said
    common = ("--tiles", tiles, "--method", method)
    stage("fuse", *common, "--device", "cpu", "--output", run / "fused.npy", folder=tmp_path)
    names = ["sf", "ag", "scd", "vif"]
    stage(
        *("measure", *common, "--fused", run / "fused.npy", "--dataset", "d", "--seed", 0),
        *("--metrics", *names, "--output", run / "scores.csv"),
        folder=tmp_path,
    )
    sources = ("--infrared", images / "ir", "--visible", images / "rgb")
    command = [sys.executable, "-m", "harness", "fuse", method, *sources, "--gray"]
    subprocess.run([*command, "--device", "cpu", "-o", tmp_path / "fused"], cwd=ROOT, check=True)
    table = pd.read_csv(run / "scores.csv", dtype={"tile": str}).set_index("tile")
    assert list(table.index) == [str(index) for index in range(len(SIZES))]
    for index in range(len(SIZES)):
        folders = tmp_path / "fused", images / "ir", images / "rgb"
        triple = [read_grey(folder / f"{index}.png")[None] for folder in folders]
        expected = score(*triple, names=names)
        assert table.loc[str(index), names].tolist() == [expected[name][0] for name in names]
