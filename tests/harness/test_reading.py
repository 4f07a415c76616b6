"""One meaning everywhere: `prepare`, `fuse` and `score` read a file alike, or refuse it alike."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from harness.commands.image_pairs import read_pair
from harness.datasets.tiles import adapter
from harness.errors import HarnessError
from metrics.errors import MetricError
from metrics.images import image_size, luma, read_grey

SIZE = (44, 57)
RNG = np.random.default_rng(5)
GREY = RNG.integers(0, 256, SIZE, np.uint8)
COLOUR = RNG.integers(0, 256, (*SIZE, 3), np.uint8)


def colour_of(pixels):
    return luma(np.moveaxis(pixels, 2, 0))


def with_alpha(value):
    alpha = np.full((*SIZE, 1), 255, np.uint8)
    alpha[3, 4] = value
    return Image.fromarray(np.concatenate([COLOUR, alpha], axis=2))


def transparent_key():
    image = Image.fromarray(GREY)
    image.info["transparency"] = int(GREY[0, 0])
    return image


PALETTE = Image.fromarray(COLOUR).quantize(16)
BILEVEL = Image.fromarray(GREY > 127)
READABLE = {
    "grey.png": (Image.fromarray(GREY), GREY),
    "colour.png": (Image.fromarray(COLOUR), colour_of(COLOUR)),
    "colour.bmp": (Image.fromarray(COLOUR), colour_of(COLOUR)),
    "colour.tif": (Image.fromarray(COLOUR), colour_of(COLOUR)),
    "opaque.png": (with_alpha(255), colour_of(COLOUR)),
    "grey_opaque.png": (Image.fromarray(np.dstack([GREY, GREY * 0 + 255])), GREY),
    "palette.png": (PALETTE, colour_of(np.asarray(PALETTE.convert("RGB")))),
    "bilevel.png": (BILEVEL, np.asarray(BILEVEL.convert("L"))),
}  # fmt: skip
REFUSED = {
    "alpha.png": (with_alpha(254), "transparent pixels; flatten it"),
    "key.png": (transparent_key(), "transparent pixels; flatten it"),
    "deep.png": (Image.fromarray(GREY.astype(np.uint16) * 64), "16-bit PNG, expected 8 bits"),
    "deep.tif": (Image.fromarray(GREY.astype(np.uint16) * 64), "16-bit TIFF, expected 8 bits"),
    "float.tif": (Image.fromarray(GREY.astype(np.float32)), "expected 8 bits per band"),
    "cmyk.jpg": (Image.fromarray(COLOUR).convert("CMYK"), "mode CMYK, expected 8-bit grey or RGB"),
    "cmyk.tif": (Image.fromarray(COLOUR).convert("CMYK"), "mode CMYK, expected 8-bit grey or RGB"),
    "lab.tif": (Image.merge("LAB", Image.fromarray(COLOUR).split()), "mode LAB, expected 8-bit"),
    "ycbcr.tif": (Image.fromarray(COLOUR).convert("YCbCr"), "mode YCbCr, expected 8-bit grey"),
}


def readers(path, tmp_path, role):
    """Three ways to the same grey image: of `prepare`, of `fuse`, and of `score`."""
    other = tmp_path / "other.png"
    Image.fromarray(np.zeros(image_size_or(path), np.uint8)).save(other)
    pair = (path, other) if role == "infrared" else (other, path)

    def prepare():
        for folder, file in zip(("ir", "rgb"), pair, strict=True):
            (tmp_path / folder).mkdir(exist_ok=True)
            (tmp_path / folder / f"one{file.suffix}").write_bytes(file.read_bytes())
        (scene,) = adapter.open_dataset({"root": str(tmp_path)}).scenes
        bands = scene.read(0, 0, scene.height, scene.width)
        return bands[3] if role == "infrared" else luma(bands[:3])

    def fuse():
        return np.rint(getattr(read_pair(*pair), role) * 255).astype(np.uint8)

    return prepare, fuse, lambda: read_grey(path)


def image_size_or(path):
    try:
        return image_size(path)
    except MetricError:
        return SIZE


@pytest.mark.parametrize("role", ["infrared", "visible"])
@pytest.mark.parametrize("name", READABLE)
def test_the_same_file_gives_the_same_pixels(tmp_path, name, role):
    image, expected = READABLE[name]
    path = tmp_path / name
    image.save(path)
    for read in readers(path, tmp_path, role):
        np.testing.assert_array_equal(read(), expected)


@pytest.mark.parametrize("role", ["infrared", "visible"])
@pytest.mark.parametrize("name", REFUSED)
def test_the_same_file_is_refused_alike(tmp_path, name, role):
    image, message = REFUSED[name]
    path = tmp_path / name
    image.save(path, **({"transparency": image.info["transparency"]} if "key" in name else {}))
    said = set()
    for read in readers(path, tmp_path, role):
        with pytest.raises((HarnessError, MetricError), match=message) as error:
            read()
        said.add(str(error.value).partition(": ")[2])
    assert len(said) == 1


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["png", "tif", "lzw.tif", "jpg"])
def test_orientation_is_applied_everywhere(tmp_path, kind, orientation):
    image, path = Image.fromarray(GREY), tmp_path / f"turned.{kind}"
    image.getexif()[274] = orientation
    expected = ImageOps.exif_transpose(image)
    if kind.endswith("tif"):
        compression = {"compression": "tiff_lzw"} if "lzw" in kind else {}
        image.save(path, tiffinfo={274: orientation}, **compression)
    else:
        image.save(path, exif=image.getexif())
    if kind == "jpg":
        with Image.open(path) as opened:
            expected = ImageOps.exif_transpose(opened)
    assert image_size(path) == np.asarray(expected).shape
    for read in readers(path, tmp_path, "infrared"):
        np.testing.assert_array_equal(read(), np.asarray(expected))


@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_luma_is_exact_and_rounded(colour):
    red, green, blue = colour
    whole, rest = divmod(299 * red + 587 * green + 114 * blue, 1000)
    expected = whole + (rest > 500 or (rest == 500 and whole % 2))
    assert luma(np.array(colour, np.uint8).reshape(3, 1, 1)).item() == expected
