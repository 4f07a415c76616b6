"""What is no image, or not one, is ignored or refused alike by `prepare`, `fuse` and `score`."""

import os
import socket
import struct
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from harness.commands.image_pairs import list_pairs, read_pair
from harness.datasets.tiles import adapter
from harness.disk.files import read_json, sha256
from harness.disk.inventory import Inventory
from harness.errors import HarnessError
from harness.methods.checkpoints import load_checkpoint
from harness.methods.spec import discover
from harness.methods.weights import choose_weights
from harness.tiles.store import map_array
from metrics.errors import MetricError
from metrics.images import list_images, pair_files, read_codes, read_grey, read_image, read_stored
from metrics.tiff_header import count_images
from tests.helpers.shared_data import SHARED

SIZE = (44, 57)
RNG = np.random.default_rng(8)
GREY = RNG.integers(0, 256, SIZE, np.uint8)
FOUR = RNG.integers(0, 256, (*SIZE, 4), np.uint8)


def tiff_with(pixels, tags, **options):
    """Return a TIFF of which some entries of the first directory are written over.

    `tags` are tag → (type, count, value), of which the type and count may be None.
    """
    import io

    stream = io.BytesIO()
    info = TiffImagePlugin.ImageFileDirectory_v2()
    Image.fromarray(pixels).save(stream, "tiff", tiffinfo=info, **options)
    data = bytearray(stream.getvalue())
    (place,) = struct.unpack_from("<I", data, 4)
    (length,) = struct.unpack_from("<H", data, place)
    for at in range(place + 2, place + 2 + 12 * length, 12):
        (tag,) = struct.unpack_from("<H", data, at)
        if tag in tags:
            struct.pack_into("<H", data, at + 8, tags[tag])
    return bytes(data)


PHOTOMETRIC, EXTRA = 262, 338
UNNAMED = {
    "RGB and a band of unspecified meaning": {EXTRA: 0},
    "MINISBLACK with four bands": {PHOTOMETRIC: 1, EXTRA: 0},
}


@pytest.mark.parametrize("what", UNNAMED)
@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate"])
def test_bands_without_a_meaning_are_refused_by_name_and_can_be_named(tmp_path, what, compression):
    options = {"compression": compression} if compression else {}
    for folder in ("rgb", "ir"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "1.tif").write_bytes(tiff_with(FOUR, UNNAMED[what], **options))
    path = tmp_path / "rgb" / "1.tif"
    for read in (read_grey, read_image, lambda path: read_pair(path, path)):
        with pytest.raises((MetricError, HarnessError), match=r"1\.tif: has 4 bands and states"):
            read(path)
    np.testing.assert_array_equal(read_stored(path), np.moveaxis(FOUR, 2, 0))
    with pytest.raises(HarnessError, match=r"1\.tif: has 4 bands .*`infrared_band`"):
        read_all(adapter.open_dataset({"root": str(tmp_path)}))
    named = {"root": str(tmp_path), "rgb_bands": [0, 1, 2], "infrared_band": 3}
    (bands,) = read_all(adapter.open_dataset(named))
    np.testing.assert_array_equal(bands[:4], np.moveaxis(FOUR, 2, 0))


def read_all(dataset):
    return [scene.read(0, 0, scene.height, scene.width) for scene in dataset.scenes]


def test_a_white_band_without_a_meaning_stands_for_no_alpha(tmp_path):
    white = np.dstack([FOUR[..., :3], np.full(SIZE, 255, np.uint8)])
    (tmp_path / "a.tif").write_bytes(tiff_with(white, {EXTRA: 0}))
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), np.moveaxis(FOUR[..., :3], 2, 0))


def test_a_file_of_several_images_is_refused_but_not_for_its_smaller_copies(tmp_path):
    pages, copies = tmp_path / "pages.tif", tmp_path / "copies.tif"
    first, second = Image.fromarray(GREY), Image.fromarray(GREY[::2, ::2])
    first.save(pages, save_all=True, append_images=[first])
    second.encoderinfo = {"tiffinfo": {254: 1}}
    first.save(copies, save_all=True, append_images=[second])
    animated = tmp_path / "animated.png"
    first.save(animated, save_all=True, append_images=[Image.fromarray(255 - GREY)])
    for path in (pages, animated):
        for read in (read_grey, lambda path: read_pair(path, path)):
            with pytest.raises((MetricError, HarnessError), match="holds 2 images, expected one"):
                read(path)
    np.testing.assert_array_equal(read_grey(copies), GREY)


def test_directories_of_a_tiff_that_lead_in_circles_come_to_an_end(tmp_path):
    path = tmp_path / "circle.tif"
    data = bytearray(tiff_with(GREY, {}))
    (place,) = struct.unpack_from("<I", data, 4)
    (length,) = struct.unpack_from("<H", data, place)
    struct.pack_into("<I", data, place + 2 + 12 * length, place)
    path.write_bytes(data)
    with path.open("rb") as stream:
        assert count_images(stream) == 1


@pytest.mark.parametrize("kind", ["png", "tif"])
def test_labels_of_16_bits_are_codes_that_nobody_scales(tmp_path, kind):
    codes = np.where(GREY > 127, 1, 40_000).astype(np.uint16)
    for folder, pixels in (("rgb", GREY), ("ir", GREY), ("seg", codes)):
        (tmp_path / folder).mkdir()
        Image.fromarray(pixels).save(tmp_path / folder / f"1.{kind}")
    np.testing.assert_array_equal(read_codes(tmp_path / "seg" / f"1.{kind}")[0], codes)
    options = {"root": str(tmp_path), "classes": ["a", "b"], "codes": [1, 40_000]}
    (bands,) = read_all(adapter.open_dataset(options))
    np.testing.assert_array_equal(bands[4], np.where(GREY > 127, 0, 1))
    wrong = adapter.open_dataset({**options, "codes": [1, 2]})
    with pytest.raises(HarnessError, match=r"outside the labels \(40000 ×"):
        read_all(wrong)
    Image.fromarray(GREY.astype(np.float32)).save(tmp_path / "float.tif")
    with pytest.raises(MetricError, match="expected labels of one band and at most 16 bits"):
        read_codes(tmp_path / "float.tif")


def folders_with(tmp_path, name, write):
    """Make folders of one good pair, and one more file in each of them."""
    for folder in ("ir", "rgb"):
        (tmp_path / folder).mkdir()
        Image.fromarray(GREY).save(tmp_path / folder / "1.png")
        write(tmp_path / folder / name)
    return tmp_path / "ir", tmp_path / "rgb"


def every_reader(infrared, visible):
    """Return the names that `prepare`, `fuse` and `score` find, by the command."""
    return {
        "prepare": lambda: [
            scene.name for scene in adapter.open_dataset({"root": str(infrared.parent)}).scenes
        ],
        "fuse": lambda: [
            read_pair(pair.infrared, pair.visible).name
            for pair in list_pairs(infrared, visible, infrared.parent / "out")
        ],
        "score": lambda: [
            (read_grey(files["infrared"]), name)[1]
            for name, files in pair_files({"infrared": infrared, "visible": visible}).items()
        ],
    }


@pytest.mark.parametrize("name", ["._1.png", "._2.png", "Thumbs.db", "desktop.ini", ".DS_Store"])
def test_files_that_systems_put_beside_images_are_ignored(tmp_path, name):
    folders = folders_with(tmp_path, name, lambda path: path.write_bytes(b"\0\5\x16\7"))
    for command, read in every_reader(*folders).items():
        assert read() == ["1"], command


@pytest.mark.parametrize("name", ["two\nlines.png", "tab\t.png", "\x1b[31m.png", "\u202egnp.png"])
def test_names_with_control_characters_are_refused(tmp_path, name):
    folders = folders_with(tmp_path, name, Image.fromarray(GREY).save)
    for read in every_reader(*folders).values():
        with pytest.raises((HarnessError, MetricError), match="name has control characters"):
            read()


def test_one_name_may_be_composed_or_not(tmp_path):
    for folder, form in (("ir", "NFD"), ("rgb", "NFC")):
        (tmp_path / folder).mkdir()
        path = tmp_path / folder / unicodedata.normalize(form, "Grün ü.png")
        Image.fromarray(GREY).save(path)
    wanted = unicodedata.normalize("NFC", "Grün ü")
    for command, read in every_reader(tmp_path / "ir", tmp_path / "rgb").items():
        assert [unicodedata.normalize("NFC", name) for name in read()] == [wanted], command
    for form in ("NFC", "NFD"):
        test = [unicodedata.normalize(form, wanted)]
        assert adapter.open_dataset({"root": str(tmp_path), "test": test}).scenes[0].name == wanted


def make_pipe(path):
    os.mkfifo(path)


def make_socket(path):
    # Addresses of sockets are short.
    here = Path.cwd()
    os.chdir(path.parent)
    try:
        socket.socket(socket.AF_UNIX).bind(path.name)
    finally:
        os.chdir(here)


def link_to_device(path):
    path.symlink_to("/dev/zero")


SPECIAL = {"a pipe": make_pipe, "a socket": make_socket, "a device": link_to_device}


@pytest.mark.parametrize("kind", SPECIAL)
def test_pipes_sockets_and_devices_are_refused_by_name(tmp_path, kind):
    folders = folders_with(tmp_path, "2.png", SPECIAL[kind])
    special = tmp_path / "ir" / "2.png"
    umfusion = discover()["umfusion"]
    readers = {
        **every_reader(*folders),
        "inventory": Inventory([tmp_path / "ir"], tmp_path / "sources.json").content,
        "hash": lambda: sha256(special),
        "json": lambda: read_json(special),
        "array": lambda: map_array(special),
        "checkpoint": lambda: load_checkpoint(special),
        "weights": lambda: choose_weights(umfusion, file=special),
        "training": lambda: choose_weights(umfusion, checkpoint=special),
    }
    for command, read in readers.items():
        with pytest.raises((HarnessError, MetricError), match=rf"2\.png: is {kind}, exp") as error:
            read()
        assert "2.png" in str(error.value), command


def test_formats_that_start_programs_are_not_opened(tmp_path):
    postscript = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"
    for name in ("a.png", "a.tif", "a.jpg"):
        (tmp_path / name).write_bytes(postscript)
        with pytest.raises(MetricError, match="not a readable image"):
            read_grey(tmp_path / name)


CASES = {
    "appledouble": "",
    "ir_twopage": "holds 2 images",
    "tif4_minisblack": "has 4 bands and states the meaning of 1",
    "ir_rgba_transp": "transparent pixels",
    "vis_lab_tif": "mode LAB",
    "labels_16bit": "",
    "ir14bit": "16-bit PNG",
    "ir_int32tif": "32-bit TIFF",
    "vis12rgbpng": "16-bit PNG",
}


@pytest.mark.skipif(SHARED is None, reason="needs SEGFANET_SHARED")
@pytest.mark.parametrize("case", CASES)
def test_inputs_that_once_failed(case):
    folder = SHARED / "cases" / case
    if not folder.is_dir():
        pytest.skip("the cases are not there")
    for command, read in every_reader(folder / "ir", folder / "rgb").items():
        if command == "prepare":
            read = lambda: read_all(adapter.open_dataset({"root": str(folder)}))  # noqa: E731
        elif command == "score":
            read = lambda: [  # noqa: E731
                read_grey(path)
                for role in ("ir", "rgb")
                for path in list_images(folder / role).values()
            ]
        if not CASES[case]:
            assert read()
            continue
        with pytest.raises((HarnessError, MetricError), match=CASES[case]):
            read()
