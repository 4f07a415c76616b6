"""ISPRS Potsdam, from made-up archives in its exact layout."""

import shutil
import zipfile

import numpy as np
import pytest
from PIL import Image

from harness.datasets.potsdam import adapter as potsdam
from harness.errors import HarnessError
from harness.pixels import IGNORE
from harness.scenes.adapters import find_adapter
from harness.scenes.scene import Dataset, Scene
from harness.scenes.splits import choose_split
from harness.tiles.cutting import Tiling, plan
from tests.helpers.fake_archives import colours, make_potsdam, picture, tiff, without_hashes, zipped

SCENES = ("2_10", "6_7", "7_13")
OFFICIAL_TEST = [
    "2_13",
    "2_14",
    "3_13",
    "3_14",
    "4_13",
    "4_14",
    "4_15",
    "5_13",
    "5_14",
    "5_15",
    "6_13",
    "6_14",
    "6_15",
    "7_13",
]


@pytest.fixture(autouse=True)
def made_up(monkeypatch):
    without_hashes(monkeypatch)


def options(tmp_path, **changes):
    lists = {"train": list(SCENES[:2]), "test": list(SCENES[2:])}
    return {"root": str(tmp_path / "data"), "cache": str(tmp_path / "cache"), **lists, **changes}


def whole(scene):
    return scene.read(0, 0, scene.height, scene.width)


@pytest.mark.parametrize("layout", ["archives", "outer", "loose"])
def test_every_layout_gives_the_same_pixels(tmp_path, layout):
    pixels = make_potsdam(tmp_path / "data", SCENES, participants=("2_10",), layout=layout)
    dataset = potsdam.open_dataset(options(tmp_path))
    assert [(scene.name, scene.split) for scene in dataset.scenes] == [
        ("2_10", "train"),
        ("6_7", "train"),
        ("7_13", "test"),
    ]
    for scene in dataset.scenes:
        assert (scene.height, scene.width) == (60, 64)
        np.testing.assert_array_equal(whole(scene), pixels[scene.name])
        window = scene.read(7, 11, 41, 50)
        np.testing.assert_array_equal(window, pixels[scene.name][:, 7:48, 11:61])
        scene.close()
        np.testing.assert_array_equal(whole(scene), pixels[scene.name])
    left = [path.name for path in (tmp_path / "cache").glob(".unpacked*")]
    assert left == []


@pytest.mark.parametrize("storage", [{"interleave": "band"}, {"interleave": "pixel"}])
@pytest.mark.parametrize("packing", [{}, {"compress": "lzw", "tiled": True}])
def test_every_storage_gives_the_same_pixels(tmp_path, storage, packing):
    pixels = make_potsdam(tmp_path / "data", SCENES, **storage, **packing)
    for scene in potsdam.open_dataset(options(tmp_path)).scenes:
        np.testing.assert_array_equal(whole(scene), pixels[scene.name])


def test_the_fourth_band_is_infrared_although_it_may_be_called_alpha(tmp_path):
    pixels = make_potsdam(tmp_path / "data", SCENES, layout="loose", ALPHA="YES")
    file = tmp_path / "data/4_Ortho_RGBIR/top_potsdam_7_13_RGBIR.tif"
    assert Image.open(file).mode == "RGBA"
    scene = potsdam.open_dataset(options(tmp_path)).scenes[2]
    np.testing.assert_array_equal(whole(scene)[3], pixels["7_13"][3])


def test_records_name_archives_hashes_and_licence(tmp_path):
    make_potsdam(tmp_path / "data", SCENES, participants=("2_10",))
    records = potsdam.open_dataset(options(tmp_path)).sources
    names = ["4_Ortho_RGBIR.zip", "5_Labels_for_participants.zip", "5_Labels_all.zip"]
    assert [record["name"] for record in records] == names
    assert all(len(record["sha256"]) == 64 for record in records)


@pytest.mark.parametrize("layout", ["archives", "loose"])
def test_participants_labels_go_before_the_full_set(tmp_path, layout):
    pixels = make_potsdam(tmp_path / "data", SCENES, participants=SCENES, layout=layout)
    rng = np.random.default_rng(1)
    overlay = {f"top_potsdam_{name}_label.tif": tiff(picture(rng, (60, 64), 3)) for name in SCENES}
    if layout == "loose":
        for name, data in overlay.items():
            (tmp_path / "data/5_Labels_all" / name).write_bytes(data)
    else:
        zipped(tmp_path / "data/5_Labels_all.zip", overlay)
    for scene in potsdam.open_dataset(options(tmp_path)).scenes:
        np.testing.assert_array_equal(whole(scene)[4], pixels[scene.name][4])


def test_an_overlay_in_place_of_labels_is_refused_with_counts(tmp_path):
    make_potsdam(tmp_path / "data", SCENES)
    overlay = picture(np.random.default_rng(1), (60, 64), 3)
    label = {"top_potsdam_2_10_label.tif": tiff(overlay)}
    zipped(tmp_path / "data/5_Labels_for_participants.zip", label)
    scene = potsdam.open_dataset(options(tmp_path)).scenes[0]
    with pytest.raises(HarnessError, match=r"3840 pixels outside the labels .*further values") as e:
        whole(scene)
    assert "top_potsdam_2_10_label.tif" in str(e.value)
    assert "5_Labels_for_participants.zip holds a clean copy" in str(e.value)


def test_colours_a_few_steps_off_count_and_others_do_not(tmp_path):
    pixels = make_potsdam(tmp_path / "data", SCENES, layout="loose")
    labels = colours(pixels["6_7"][4])
    car = pixels["6_7"][4] == 4
    assert car.any()
    labels[:, car] = np.array([[252], [255], [0]])
    path = tmp_path / "data/5_Labels_all/top_potsdam_6_7_label.tif"
    path.write_bytes(tiff(labels))
    scene = potsdam.open_dataset(options(tmp_path)).scenes[1]
    np.testing.assert_array_equal(whole(scene)[4], pixels["6_7"][4])
    strict = potsdam.open_dataset(options(tmp_path, tolerance=2)).scenes[1]
    with pytest.raises(HarnessError, match=rf"\(252, 255, 0\) × {car.sum()}"):
        whole(strict)


def test_black_borders_are_ignored_only_where_asked(tmp_path):
    pixels = make_potsdam(tmp_path / "data", SCENES)
    labels = {name: pixels[name][4].copy() for name in SCENES}
    for label in labels.values():
        label[:, 10:13] = IGNORE
    members = {
        f"top_potsdam_{name}_label_noBoundary.tif": tiff(colours(label))
        for name, label in labels.items()
    }
    zipped(tmp_path / "data/5_Labels_all_noBoundary.zip", members)
    for scene in potsdam.open_dataset(options(tmp_path, no_boundary=True)).scenes:
        np.testing.assert_array_equal(whole(scene)[4], labels[scene.name])
    black = {f"top_potsdam_{name}_label.tif": tiff(colours(labels[name])) for name in SCENES}
    zipped(tmp_path / "data/5_Labels_all.zip", black)
    (tmp_path / "cache/sources.lock.json").unlink()
    with pytest.raises(HarnessError, match=r"\(0, 0, 0\) × 180"):
        whole(potsdam.open_dataset(options(tmp_path)).scenes[0])


def test_nothing_is_downloaded_while_the_archives_at_hand_suffice(tmp_path):
    make_potsdam(tmp_path / "data", SCENES)
    (tmp_path / "data/5_Labels_for_participants.zip").unlink()
    assert len(potsdam.open_dataset(options(tmp_path)).scenes) == 3


def test_what_is_missing_is_named(tmp_path):
    make_potsdam(tmp_path / "data", SCENES[:2])
    with pytest.raises(HarnessError) as error:
        potsdam.open_dataset(options(tmp_path))
    for part in ("1 of 3 files", "top_potsdam_7_13_RGBIR.tif", "4_Ortho_RGBIR.zip"):
        assert part in str(error.value)


def test_nothing_at_all_tells_what_to_put_where(tmp_path):
    chosen = {**options(tmp_path), "root": None}
    with pytest.raises(HarnessError) as error:
        potsdam.open_dataset(chosen)
    for part in ("Potsdam.zip could not be obtained", str(tmp_path / "cache" / "Potsdam.zip")):
        assert part in str(error.value)


def test_the_real_archive_must_have_its_real_hash(tmp_path, monkeypatch):
    monkeypatch.undo()
    make_potsdam(tmp_path / "data", SCENES)
    chosen = {**options(tmp_path), "root": None, "cache": str(tmp_path / "data")}
    with pytest.raises(HarnessError, match="c4a8f7d8c7196dd4eba4addd0aae10c1"):
        potsdam.open_dataset(chosen)


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.zeros((3, 60, 64), np.uint8), "3 bands"),
        (np.zeros((4, 60, 63), np.uint8), "60×64 pixels, but"),
        (np.zeros((4, 60, 64), np.uint16), "uint16"),
        (None, "not a readable"),
    ],
)
@pytest.mark.parametrize("layout", ["loose", "archives"])
def test_a_image_of_another_kind_is_refused(tmp_path, layout, pixels, message):
    make_potsdam(tmp_path / "data", SCENES, layout=layout)
    data = b"II*\0 nothing" if pixels is None else tiff(pixels)
    name = "top_potsdam_2_10_RGBIR.tif"
    if layout == "loose":
        (tmp_path / "data/4_Ortho_RGBIR" / name).write_bytes(data)
    else:
        others = {f"top_potsdam_{n}_RGBIR.tif": tiff(np.zeros((4, 60, 64), "u1")) for n in SCENES}
        zipped(tmp_path / "data/4_Ortho_RGBIR.zip", {**others, name: data})
    with pytest.raises(HarnessError, match=message) as error:
        potsdam.open_dataset(options(tmp_path))
    assert name in str(error.value)


@pytest.mark.parametrize("layout", ["loose", "archives"])
def test_a_description_that_names_other_files_is_not_an_image(tmp_path, layout):
    """GDAL would read what the description names, from anywhere."""
    make_potsdam(tmp_path / "data", SCENES, layout=layout)
    name = "top_potsdam_2_10_RGBIR.tif"
    (tmp_path / "secret.tif").write_bytes(tiff(np.zeros((4, 60, 64), np.uint8)))
    bands = "".join(
        f'<VRTRasterBand dataType="Byte" band="{band}"><SimpleSource>'
        f"<SourceFilename>{tmp_path}/secret.tif</SourceFilename><SourceBand>{band}</SourceBand>"
        "</SimpleSource></VRTRasterBand>"
        for band in (1, 2, 3, 4)
    )
    text = f'<VRTDataset rasterXSize="64" rasterYSize="60">{bands}</VRTDataset>'
    if layout == "loose":
        (tmp_path / "data/4_Ortho_RGBIR" / name).write_text(text)
    else:
        others = {f"top_potsdam_{n}_RGBIR.tif": tiff(np.zeros((4, 60, 64), "u1")) for n in SCENES}
        zipped(tmp_path / "data/4_Ortho_RGBIR.zip", {**others, name: text})
    with pytest.raises(HarnessError, match=f"{name}: not a readable image"):
        potsdam.open_dataset(options(tmp_path))


def test_a_truncated_image_is_named(tmp_path):
    make_potsdam(tmp_path / "data", SCENES, layout="loose", compress="lzw")
    path = tmp_path / "data/4_Ortho_RGBIR/top_potsdam_2_10_RGBIR.tif"
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(HarnessError, match="top_potsdam_2_10_RGBIR"):
        whole(potsdam.open_dataset(options(tmp_path)).scenes[0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train": ["9_9"]}, "9_9"),
        ({"train": ["7_13"]}, "stand in `train` and in `test`"),
        ({"test": []}, "`test` is empty"),
        ({"test": ["7_13", "7_13"]}, "named twice"),
        ({"tolerance": 200}, "tolerance"),
        ({"root": "/nowhere"}, "/nowhere"),
        ({"roof": "x"}, "roof"),
        ({"no_boundary": "yes"}, "no_boundary"),
    ],
)
def test_options_that_cannot_work_are_refused(tmp_path, changes, message):
    (tmp_path / "data").mkdir()
    with pytest.raises(HarnessError, match=message):
        potsdam.check_options(options(tmp_path, **changes))


def test_the_split_is_30_and_7_without_7_10():
    split = dict(choose_split("potsdam", None, None))
    assert "7_10" not in split
    test = [name for name, part in split.items() if part == "test"]
    assert len(split) == 37
    assert len(test) == 7
    assert set(test) < set(OFFICIAL_TEST)


def test_the_paper_s_tile_counts():
    def read(*_):
        raise AssertionError

    split = choose_split("potsdam", None, None)
    scenes = tuple(Scene(name, part, 6000, 6000, read) for name, part in split)
    rows = plan(Dataset("potsdam", scenes), Tiling())
    assert {part: len(tiles) for part, tiles in rows.items()} == {"train": 10_830, "test": 2_527}
    assert len([row for row in rows["train"] if row.scene == "2_10"]) == 361


def test_headers_are_read_without_unpacking(tmp_path, monkeypatch):
    make_potsdam(tmp_path / "data", SCENES)
    monkeypatch.setattr("harness.scenes.raster.copy_member", None)
    assert len(potsdam.open_dataset(options(tmp_path)).scenes) == 3


def test_the_adapter_is_found_by_name():
    assert find_adapter("potsdam") is potsdam


def test_members_in_stored_archives(tmp_path):
    pixels = make_potsdam(tmp_path / "data", SCENES)
    path = tmp_path / "data/4_Ortho_RGBIR.zip"
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    zipped(path, members, zipfile.ZIP_STORED)
    scene = potsdam.open_dataset(options(tmp_path)).scenes[2]
    np.testing.assert_array_equal(whole(scene), pixels["7_13"])


@pytest.mark.parametrize("clean", ["archive", "deeper folder"])
def test_clean_labels_at_hand_go_before_unpacked_ones_of_the_full_set(tmp_path, clean):
    data = tmp_path / "data"
    pixels = make_potsdam(data, SCENES, participants=SCENES, layout="loose")
    rng = np.random.default_rng(1)
    for path in (data / "5_Labels_all").iterdir():
        path.write_bytes(tiff(picture(rng, (60, 64), 3)))
    folder = data / "5_Labels_for_participants"
    if clean == "archive":
        zipped(folder.with_suffix(".zip"), {p.name: p.read_bytes() for p in folder.iterdir()})
        shutil.rmtree(folder)
    else:
        folder.rename(tmp_path / "labels")
        folder.mkdir()
        (tmp_path / "labels").rename(folder / "labels")
    for scene in potsdam.open_dataset(options(tmp_path)).scenes:
        np.testing.assert_array_equal(whole(scene)[4], pixels[scene.name][4])


def test_a_damaged_archive_in_the_cache_does_not_give_way_to_the_full_set(tmp_path):
    make_potsdam(tmp_path / "cache", SCENES, participants=SCENES)
    chosen = {**options(tmp_path), "root": None}
    potsdam.open_dataset(chosen)
    damaged = tmp_path / "cache/5_Labels_for_participants.zip"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    with pytest.raises(HarnessError, match=r"5_Labels_for_participants\.zip: its sha256"):
        potsdam.open_dataset(chosen)


def test_linked_folders_below_the_root_are_looked_into(tmp_path):
    pixels = make_potsdam(tmp_path / "elsewhere", SCENES, layout="loose")
    (tmp_path / "data").mkdir()
    for folder in (tmp_path / "elsewhere").iterdir():
        (tmp_path / "data" / folder.name).symlink_to(folder)
    (tmp_path / "data/round").symlink_to(tmp_path / "data")
    for scene in potsdam.open_dataset(options(tmp_path)).scenes:
        np.testing.assert_array_equal(whole(scene), pixels[scene.name])
