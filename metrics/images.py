"""Images from folders: which files belong together, and how each becomes 8-bit grey.

Rules of reading:

- 8-bit grey is kept as it is; bilevel becomes 0 and 255;
- RGB and palette colours become BT.601 luma, rounded;
- an alpha channel is dropped if it is opaque everywhere, and refused otherwise;
- more than 8 bits per sample are refused, because there are several ways to reduce them to 8.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .errors import MetricError

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = frozenset({".png", ".bmp", ".tif", ".tiff", ".jpg", ".jpeg"})

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_DEPTH_BYTE = 24
TIFF_DEPTH_TAG = 258

GREY_MODES = frozenset({"L", "1"})
COLOUR_MODES = frozenset({"RGB", "P"})
ALPHA_MODES = frozenset({"RGBA", "LA", "PA"})


def read_grey(path: Path) -> NDArray[np.uint8]:
    """Read one image by the rules of this module.

    Returns:
        (H, W) uint8.

    Raises:
        MetricError: the file is not an image, has more than 8 bits per sample, or is transparent.
    """
    # Only those who measure files need Pillow.
    from PIL import Image

    try:
        with Image.open(path) as image:
            _check_depth(path, image)
            if image.mode in ALPHA_MODES or "transparency" in image.info:
                return np.asarray(_opaque(path, image.convert("RGBA")).convert("L"))
            if image.mode in COLOUR_MODES:
                return np.asarray(image.convert("RGB").convert("L"))
            return np.asarray(image.convert("L"))
    except MetricError:
        raise
    except Exception as error:
        # Pillow's decoders raise many types; all mean that this file cannot be read.
        raise MetricError(f"{path}: cannot be read as an image ({error!r})") from error


def _check_depth(path: Path, image: "Image.Image") -> None:
    with path.open("rb") as file:
        header = file.read(PNG_DEPTH_BYTE + 1)
    depth = header[PNG_DEPTH_BYTE] if header.startswith(PNG_SIGNATURE) else 8
    # Pillow reports an 8-bit mode for colours with 16 bits per sample.
    depth = max((depth, *getattr(image, "tag_v2", {}).get(TIFF_DEPTH_TAG, ())))
    if depth > 8 or image.mode not in GREY_MODES | COLOUR_MODES | ALPHA_MODES:
        kind = f"{depth}-bit {image.format}" if depth > 8 else f"image of mode {image.mode}"
        raise MetricError(f"{path}: {kind}; metrics are defined on 8-bit images, convert it first")


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


def read_aligned(files: Mapping[str, Path]) -> dict[str, NDArray[np.uint8]]:
    """Read the images of one name and check that they have one size.

    Raises:
        MetricError: as `read_grey`, or the sizes differ.
    """
    images = {role: read_grey(path) for role, path in files.items()}
    first = next(iter(images))
    for role, image in images.items():
        if image.shape != images[first].shape:
            raise MetricError(
                f"{files[role]}: {_size(image)}, but {files[first]} has {_size(images[first])}; "
                "all images of one name must have one size"
            )
    return images


def _size(image: NDArray[np.uint8]) -> str:
    return f"{image.shape[1]}×{image.shape[0]} px"
