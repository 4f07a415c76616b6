"""The one reader of image files, for the metrics and for the benchmark; and the luma of colours.

Rules of reading, which hold wherever an image comes from:

- the EXIF orientation is applied, so that an image is read as viewers show it;
- 8-bit grey is kept as it is; bilevel becomes 0 and 255; palettes become their colours;
- an alpha channel is dropped if it is opaque everywhere, and refused otherwise; so is a further
  band of which the file does not say what it is;
- more than 8 bits per band are refused, because there are several ways to reduce them to 8, and
  the files of one set need the same;
- other colour spaces (CMYK, Lab, YCbCr, HSV) are refused, because converting them needs a profile;
- files of several images are refused, reduced copies and masks of a TIFF aside;
- only regular files in the formats of `FORMATS` are opened, whatever their suffix says: no pipe or
  device, which may never end, and none of the formats for which Pillow starts other programs.

Hidden files, among them those that macOS puts beside images (`._1.png`), are no images. A name is
one name however its letters are composed (NFC, NFD); control characters in names are refused.

The luma of a colour is that of BT.601, rounded. It is exact: Pillow's mode `L` differs from it for
9,112 of the 16.8 million colours.
"""

import io
import stat
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

from .errors import MetricError
from .texts import has_control_characters
from .tiff_header import Unnamed, count_images, unnamed_bands

if TYPE_CHECKING:
    from PIL import Image

Bytes = NDArray[np.uint8]

SUFFIXES = (".png", ".tif", ".tiff", ".bmp", ".jpg", ".jpeg")
"""Suffixes of the images that a folder is searched for, in lower case."""

FORMATS = ("PNG", "TIFF", "BMP", "JPEG", "MPO")
"""Formats that are read, as Pillow names them; MPO is a JPEG with further images behind it."""
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_DEPTH_BYTE = 24
TIFF_DEPTH_TAG = 258
ORIENTATION_TAG = 274
UNNAMED = "bands without a meaning"
"""Key of what is noted about an image of which the last bands have no stated meaning."""
SEPARATELY = "save the bands that are meant as an image of their own"
TURNED = (5, 6, 7, 8)
"""EXIF orientations that exchange height and width."""

GREY_MODES = ("L", "1")
COLOUR_MODES = ("RGB", "P")
ALPHA_MODES = ("RGBA", "LA", "PA")


def luma(rgb: Bytes) -> Bytes:
    """Return the BT.601 luma of uint8 (..., 3, H, W) as uint8 (..., H, W), 0-255.

    The weights 299, 587, 114 sum to 1000, so the weighted sum is exact and only the last
    rounding (to nearest, ties to even) is left.
    """
    red, green, blue = (rgb[..., band, :, :].astype(np.uint32) for band in range(3))
    return np.rint((299 * red + 587 * green + 114 * blue) / 1000).astype(np.uint8)


def read_image(path: Path) -> Bytes:
    """Read one image by the rules of this module.

    Returns:
        (1, H, W) uint8 of a grey image, (3, H, W) uint8 of one in colour.

    Raises:
        MetricError: naming the file and the rule that it breaks.
    """
    with _decoded(path) as image:
        if UNNAMED in image.info:
            return _bands(_without_unnamed(path, image))
        if image.mode in ALPHA_MODES or "transparency" in image.info:
            grey = image.mode in ("L", "LA")
            return _bands(_opaque(path, image.convert("RGBA")).convert("L" if grey else "RGB"))
        if image.mode not in GREY_MODES + COLOUR_MODES:
            raise MetricError(
                f"{path}: is an image of mode {image.mode}, expected 8-bit grey or RGB; convert it "
                "first"
            )
        return _bands(image.convert("L" if image.mode in GREY_MODES else "RGB"))


def read_grey(path: Path) -> Bytes:
    """Read one image as grey, (H, W) uint8; colours become their luma.

    Raises:
        MetricError: as `read_image`.
    """
    return grey_of(read_image(path))


def grey_of(image: Bytes) -> Bytes:
    """Return the grey values of (H, W) or (1, H, W), or the luma of (3, H, W): (H, W) uint8."""
    if image.ndim == 2:
        return image
    return image[0] if len(image) == 1 else luma(image)


def in_colour(bands: Bytes) -> Bytes:
    """Return (3, H, W) of (3, H, W), or of a grey image (1, H, W) three times its channel."""
    return np.repeat(bands, 3, axis=0) if len(bands) == 1 else bands


def read_stored(path: Path) -> Bytes:
    """Read the bands as they are stored, (bands, H, W) uint8, whatever they mean.

    This serves files of which a user names the bands: alpha is a band like any other.

    Raises:
        MetricError: naming the file, if it cannot be read or has more than 8 bits per band.
    """
    with _decoded(path) as image:
        plain = {"1": "L", "P": "RGB", "PA": "RGB"}
        return _bands(image.convert(plain.get(image.mode, image.mode)))


def read_codes(path: Path) -> "Bytes | NDArray[np.uint16]":
    """Read a label image exactly, (bands, H, W) uint8 or uint16: its values are codes of classes.

    A palette keeps its indices. Codes may have up to 16 bits, and are never scaled.

    Raises:
        MetricError: naming the file, if it cannot be read or its values are not whole numbers of
            at most 16 bits.
    """
    with _decoded(path, deepest=16) as image:
        if image.mode.startswith("I"):
            return _codes(path, image)
        return _bands(image.convert("L") if image.mode == "1" else image)


def _codes(path: Path, image: "Image.Image") -> NDArray[np.uint16]:
    values = np.asarray(image)
    if values.min() < 0 or values.max() > np.iinfo(np.uint16).max:
        raise MetricError(f"{path}: has values beyond 0-65535, expected codes of classes")
    return values.astype(np.uint16)[None]


def image_size(path: Path, *, deepest: int = 8) -> tuple[int, int]:
    """Return height and width of an image, upright, without decoding it.

    Raises:
        MetricError: naming the file, if it cannot be read or has more bits per band than `deepest`.
    """
    with _opened(path, deepest) as image:
        width, height = image.size
        # Pillow reports the size of a TIFF as it is after turning.
        turned = image.format != "TIFF" and _is_turned(image)
    return (width, height) if turned else (height, width)


def check_regular(path: Path) -> None:
    """Refuse a pipe, socket or device, which may give no end of bytes, and a folder.

    Raises:
        MetricError: naming the file and what it is.
        OSError: if there is no such file, or it cannot be looked at.
    """
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        raise MetricError(f"{path}: is {_kind(mode)}, expected a regular file; name another one")


def _kind(mode: int) -> str:
    kinds = {
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    return kinds.get(stat.S_IFMT(mode), "no file")


@contextmanager
def _opened(path: Path, deepest: int = 8) -> "Iterator[Image.Image]":
    # Only those who measure files need Pillow.
    from PIL import Image

    try:
        check_regular(path)
        with path.open("rb") as stream:
            unnamed = unnamed_bands(stream)
            if unnamed and not unnamed.readable:
                raise MetricError(f"{path}: {unnamed}, and they cannot be read; {SEPARATELY}")
            stream.seek(0)
            # Pillow maps a TIFF that it opens by name into memory, and then turns it wrongly.
            source: BinaryIO = io.BytesIO(unnamed.readable) if unnamed else stream
            with Image.open(source, formats=FORMATS) as image:
                if unnamed:
                    image.info[UNNAMED] = unnamed
                # A JPEG may carry smaller copies of itself.
                frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
                _check_single(path, count_images(stream) if image.format == "TIFF" else frames)
                _check_depth(path, image, deepest)
                yield image
    except MetricError:
        raise
    except Exception as error:
        # Pillow's decoders raise many types; all mean that this file cannot be read.
        raise MetricError(f"{path}: not a readable image: {error!r}") from error


@contextmanager
def _decoded(path: Path, deepest: int = 8) -> "Iterator[Image.Image]":
    from PIL import ImageOps

    with _opened(path, deepest) as image:
        before = _is_turned(image)
        image.load()
        if image.format == "PNG" and _is_turned(image) != before:
            raise MetricError(f"{path}: its orientation follows its pixels; save the file again")
        yield ImageOps.exif_transpose(image)


def _is_turned(image: "Image.Image") -> bool:
    # A PNG that has not been decoded would be decoded by `getexif`, to look behind its pixels.
    known = image.format != "PNG" or "exif" in image.info
    return known and image.getexif().get(ORIENTATION_TAG) in TURNED


def _bands(image: "Image.Image") -> Bytes:
    array = np.asarray(image)
    return array[None] if array.ndim == 2 else np.ascontiguousarray(np.moveaxis(array, 2, 0))


def _check_depth(path: Path, image: "Image.Image", deepest: int) -> None:
    with path.open("rb") as file:
        header = file.read(PNG_DEPTH_BYTE + 1)
    depth = header[PNG_DEPTH_BYTE] if header.startswith(PNG_SIGNATURE) else 8
    # Pillow reports an 8-bit mode for colours with 16 bits per band.
    depth = max((depth, *getattr(image, "tag_v2", {}).get(TIFF_DEPTH_TAG, ())))
    if depth <= deepest and image.mode.startswith("I") and deepest > 8:
        return
    if depth > 8 or image.mode.startswith(("I", "F")):
        kind = f"{depth}-bit {image.format}" if depth > 8 else f"pixels of mode {image.mode}"
        if deepest > 8:
            raise MetricError(
                f"{path}: {kind}, expected labels of one band and at most {deepest} bits"
            )
        raise MetricError(
            f"{path}: {kind}, expected 8 bits per band; scale the whole set to 0-255 with one "
            "common factor first"
        )


def _check_single(path: Path, count: int) -> None:
    if count > 1:
        raise MetricError(
            f"{path}: holds {count} images, expected one; save the one that is meant by itself"
        )


def _without_unnamed(path: Path, image: "Image.Image") -> "Image.Image":
    """Return the image without a last band that is white, as one that stands for no alpha is."""
    unnamed: Unnamed = image.info[UNNAMED]
    if unnamed.bands > unnamed.named + 1 or image.getchannel("A").getextrema() != (255, 255):
        raise MetricError(
            f"{path}: {unnamed}; {SEPARATELY}, or name them where a data set is described "
            "(`rgb_bands`, `infrared_band`)"
        )
    return image.convert("L" if image.mode == "LA" else "RGB")


def _opaque(path: Path, image: "Image.Image") -> "Image.Image":
    if image.getchannel("A").getextrema() != (255, 255):
        raise MetricError(f"{path}: has transparent pixels; flatten it to grey or RGB first")
    return image.convert("RGB")


def pair_files(folders: Mapping[str, Path]) -> dict[str, dict[str, Path]]:
    """Find the images that have the same name, suffix aside, in every folder.

    Args:
        folders: the folder of each role, such as "infrared"; files that are not images are ignored.
            The names are in the composed form of Unicode (NFC).

    Returns:
        Per name, in sorted order, the file of each role.

    Raises:
        MetricError: a folder is missing or has no image, two of its files share a name, or a name
            is not in all folders.
    """
    found = {role: _files_of(role, folder) for role, folder in folders.items()}
    names = sorted(set().union(*found.values()))
    for role, files in found.items():
        missing = [name for name in names if name not in files]
        if missing:
            other = next(files[missing[0]] for files in found.values() if missing[0] in files)
            raise MetricError(
                f"{other}: no {role} image of that name in {folders[role]}"
                + _more(missing[1:], "other name lacks", "other names lack")
            )
    return {name: {role: found[role][name] for role in folders} for name in names}


def list_images(folder: Path, suffixes: tuple[str, ...] = SUFFIXES) -> dict[str, Path]:
    """Return the images of a folder by their names without suffix, in the order of file names.

    Hidden files are ignored, and so is what has another suffix.

    Returns:
        Path by name; the name is in the composed form of Unicode (NFC), whatever the file's is.

    Raises:
        MetricError: if two images have one name, or a name holds control characters.
        OSError: if the folder cannot be read.
    """
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in suffixes or path.name.startswith("."):
            continue
        if has_control_characters(path.name):
            raise MetricError(f"{path}: its name has control characters; rename it")
        name = unicodedata.normalize("NFC", path.stem)
        if name in files:
            raise MetricError(f"{path}: {files[name].name} has the same name; keep one")
        files[name] = path
    return files


def _files_of(role: str, folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        problem = (
            "is a file; name the folder that holds it" if folder.exists() else "does not exist"
        )
        raise MetricError(f"{folder}: the {role} folder {problem}")
    files = list_images(folder)
    if not files:
        kinds = ", ".join(sorted(SUFFIXES))
        raise MetricError(f"{folder}: the {role} folder holds no image ({kinds})")
    return files


def _more(rest: Sequence[str], one: str, many: str) -> str:
    return f"; {len(rest)} {one if len(rest) == 1 else many} one too" if rest else ""


def read_aligned(
    files: Mapping[str, Path], read: Callable[[Path], Bytes] = read_grey
) -> dict[str, Bytes]:
    """Read the images of one name with `read` and check that they have one size.

    Raises:
        MetricError: as `read`, or the sizes differ.
    """
    images = {role: read(path) for role, path in files.items()}
    first = next(iter(images))
    for role, image in images.items():
        if image.shape[-2:] != images[first].shape[-2:]:
            raise MetricError(
                f"{files[role]}: {_size(image)}, but {files[first]} has {_size(images[first])}; "
                "all images of one name must have one size"
            )
    return images


def _size(image: Bytes) -> str:
    return f"{image.shape[-1]}×{image.shape[-2]} px"
