"""The one reader of image files, for the metrics and for the benchmark; and the luma of colours.

Rules of reading, which hold wherever an image comes from:

- the EXIF orientation is applied, so that an image is read as viewers show it;
- 8-bit grey is kept as it is; bilevel becomes 0 and 255; palettes become their colours;
- an alpha channel is dropped if it is opaque everywhere, and refused otherwise;
- more than 8 bits per band are refused, because there are several ways to reduce them to 8, and
  the files of one set need the same;
- other colour spaces (CMYK, Lab, YCbCr, HSV) are refused, because converting them needs a profile.

The luma of a colour is that of BT.601, rounded. It is exact: Pillow's mode `L` differs from it for
9,112 of the 16.8 million colours.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .errors import MetricError

if TYPE_CHECKING:
    from PIL import Image

Bytes = NDArray[np.uint8]

SUFFIXES = (".png", ".tif", ".tiff", ".bmp", ".jpg", ".jpeg")
"""Suffixes of the images that a folder is searched for, in lower case."""

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_DEPTH_BYTE = 24
TIFF_DEPTH_TAG = 258
ORIENTATION_TAG = 274
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


def read_stored(path: Path, *, palette: bool = True) -> Bytes:
    """Read the bands as they are stored, (bands, H, W) uint8, whatever they mean.

    This serves labels, and files of which a user names the bands: alpha is a band like any other.

    Args:
        path: the file; its orientation and depth follow the rules of this module.
        palette: whether palette indices become their colours.

    Raises:
        MetricError: naming the file, if it cannot be read or has more than 8 bits per band.
    """
    with _decoded(path) as image:
        plain = {"1": "L", **({"P": "RGB", "PA": "RGB"} if palette else {})}
        return _bands(image.convert(plain.get(image.mode, image.mode)))


def image_size(path: Path) -> tuple[int, int]:
    """Return height and width of an image, upright, without decoding it.

    Raises:
        MetricError: naming the file, if it cannot be read or has more than 8 bits per band.
    """
    with _opened(path) as image:
        width, height = image.size
        # Pillow reports the size of a TIFF as it is after turning.
        turned = image.format != "TIFF" and _is_turned(image)
    return (width, height) if turned else (height, width)


@contextmanager
def _opened(path: Path) -> "Iterator[Image.Image]":
    # Only those who measure files need Pillow.
    from PIL import Image

    try:
        # Pillow maps a TIFF that it opens by name into memory, and then turns it wrongly.
        with path.open("rb") as stream, Image.open(stream) as image:
            _check_depth(path, image)
            yield image
    except MetricError:
        raise
    except Exception as error:
        # Pillow's decoders raise many types; all mean that this file cannot be read.
        raise MetricError(f"{path}: not a readable image: {error!r}") from error


@contextmanager
def _decoded(path: Path) -> "Iterator[Image.Image]":
    from PIL import ImageOps

    with _opened(path) as image:
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


def _check_depth(path: Path, image: "Image.Image") -> None:
    with path.open("rb") as file:
        header = file.read(PNG_DEPTH_BYTE + 1)
    depth = header[PNG_DEPTH_BYTE] if header.startswith(PNG_SIGNATURE) else 8
    # Pillow reports an 8-bit mode for colours with 16 bits per band.
    depth = max((depth, *getattr(image, "tag_v2", {}).get(TIFF_DEPTH_TAG, ())))
    if depth > 8 or image.mode.startswith(("I", "F")):
        kind = f"{depth}-bit {image.format}" if depth > 8 else f"pixels of mode {image.mode}"
        raise MetricError(
            f"{path}: {kind}, expected 8 bits per band; scale the whole set to 0-255 with one "
            "common factor first"
        )


def _opaque(path: Path, image: "Image.Image") -> "Image.Image":
    if image.getchannel("A").getextrema() != (255, 255):
        raise MetricError(f"{path}: has transparent pixels; flatten it to grey or RGB first")
    return image.convert("RGB")


def pair_files(folders: Mapping[str, Path]) -> dict[str, dict[str, Path]]:
    """Find the images that have the same name, suffix aside, in every folder.

    Args:
        folders: the folder of each role, such as "infrared"; files that are not images are ignored.

    Returns:
        Per name, in sorted order, the file of each role.

    Raises:
        MetricError: a folder is missing or has no image, two of its files share a name, or a name
            is not in all folders.
    """
    found = {role: _images(role, folder) for role, folder in folders.items()}
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


def _images(role: str, folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        problem = (
            "is a file; name the folder that holds it" if folder.exists() else "does not exist"
        )
        raise MetricError(f"{folder}: the {role} folder {problem}")
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in SUFFIXES or path.name.startswith("."):
            continue
        if path.stem in files:
            raise MetricError(f"{path}: {files[path.stem].name} has the same name; keep one")
        files[path.stem] = path
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
