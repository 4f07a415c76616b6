"""Read image pairs and write fused images for the command `fuse`, as image files or arrays."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness.disk.files import atomic_path
from harness.disk.images import files_by_name, named_image_errors
from harness.errors import HarnessError
from harness.pixels import TRUNCATE, quantise, recompose
from harness.tiles.store import map_array
from metrics.images import SUFFIXES, grey_of, image_size, read_image

Float = NDArray[np.float32]
Bytes = NDArray[np.uint8]
ARRAY = ".npy"
KINDS = (ARRAY, *SUFFIXES)


class PairFiles(NamedTuple):
    """The two files of a pair, and the file that its fused image goes to."""

    infrared: Path
    visible: Path
    output: Path


@dataclass(frozen=True)
class Pair:
    """One infrared and one visible image of the same scene.

    infrared, visible: (H, W) float32 in [0, 1]; rgb: (3, H, W) uint8, or None if the visible
    image is gray.
    """

    name: str
    infrared: Float
    visible: Float
    rgb: Bytes | None


def list_pairs(infrared: Path, visible: Path, output: Path) -> list[PairFiles]:
    """List the pair of two files, or every pair of two folders.

    In folders, the two files of a pair have the same name up to the suffix.

    Raises:
        HarnessError: if only one is a folder, one is missing, or an image has no partner.
    """
    for path in (infrared, visible):
        if not path.exists():
            raise HarnessError(f"{path}: no such file or folder")
    if infrared.is_dir() != visible.is_dir():
        raise HarnessError(f"{infrared} and {visible}: give two files or two folders")
    if not infrared.is_dir():
        return [PairFiles(infrared, visible, output)]
    if output.exists() and not output.is_dir():
        raise HarnessError(f"{output}: is a file, expected a folder; name another output")
    files, partners = files_by_name(infrared, KINDS), files_by_name(visible, KINDS)
    alone = sorted(files.keys() ^ partners.keys())
    if alone:
        raise HarnessError(f"{infrared} and {visible}: no partner for {', '.join(alone[:5])}")
    suffixes = {ARRAY: ARRAY}
    return [
        PairFiles(path, partners[stem], output / f"{stem}{suffixes.get(path.suffix, '.png')}")
        for stem, path in files.items()
    ]


def pair_size(files: PairFiles) -> tuple[int, int]:
    """Return height and width of the infrared image, without decoding it.

    Raises:
        HarnessError: if it is not readable.
    """
    if files.infrared.suffix == ARRAY:
        return _array(files.infrared).shape
    with named_image_errors():
        return image_size(files.infrared)


def read_pair(infrared: Path, visible: Path) -> Pair:
    """Read one pair.

    Raises:
        HarnessError: if a file is not readable or the sizes differ.
    """
    first = _array(infrared) if infrared.suffix == ARRAY else _unit(grey_of(_bands(infrared)))
    rgb = None
    if visible.suffix == ARRAY:
        second = _array(visible)
    else:
        bands = _bands(visible)
        rgb = bands if len(bands) == 3 else None
        second = _unit(grey_of(bands))
    if first.shape != second.shape:
        (height, width), (rows, columns) = first.shape, second.shape
        raise HarnessError(
            f"sizes differ: {infrared} {width}×{height}, {visible} {columns}×{rows}; "
            "register the pair first"
        )
    return Pair(infrared.stem, first, second, rgb)


def _bands(path: Path) -> Bytes:
    with named_image_errors():
        return read_image(path)


def _unit(grey: Bytes) -> Float:
    return grey.astype(np.float32) / np.float32(255)


def _array(path: Path) -> Float:
    values = map_array(path)
    if values.ndim != 2 or not np.issubdtype(values.dtype, np.floating):
        raise HarnessError(f"{path}: {values.dtype} {values.shape}, expected float (H, W)")
    if not np.isfinite(values).all() or values.min() < 0 or values.max() > 1:
        raise HarnessError(f"{path}: values leave [0, 1] or are not finite; scale them")
    array: Float = values.astype(np.float32)
    return array


def write_fused(
    path: Path, fused: Float, pair: Pair, *, gray: bool = False, rule: str = TRUNCATE
) -> None:
    """Write a fused luma (H, W) float32 atomically.

    An `.npy` file takes the values as they are. An image file takes them clamped to [0, 1] and
    quantised to 8 bits by the `rule`, truncated as the workflow measures them or rounded; with the
    colours of the visible image if it has any and `gray` is not set.

    Raises:
        HarnessError: if the suffix is not that of an image format or `.npy`.
    """
    if path.suffix == ARRAY:
        with atomic_path(path) as temporary, temporary.open("wb") as stream:
            np.save(stream, fused)
    elif pair.rgb is None or gray:
        write_pixels(path, quantise(fused, rule))
    else:
        coloured = recompose(np.clip(fused, 0, 1)[None], pair.rgb[None])[0]
        write_pixels(path, quantise(coloured, rule))


def write_pixels(path: Path, pixels: Bytes) -> None:
    """Write an image, uint8 (H, W) or (3, H, W), atomically.

    Raises:
        HarnessError: if the suffix is not that of an image format.
    """
    kind = path.suffix.lower()
    if kind not in SUFFIXES:
        raise HarnessError(f"{path}: unknown kind of file; write to one of {', '.join(KINDS)}")
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        image = Image.fromarray(pixels if pixels.ndim == 2 else np.moveaxis(pixels, 0, -1))
        image.save(stream, format=Image.registered_extensions()[kind])
