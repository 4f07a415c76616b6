"""Reading pairs and writing fused pictures, as PNG and the like or as arrays."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness.disk.files import atomic_path
from harness.disk.images import SUFFIXES, files_by_name, open_image
from harness.errors import HarnessError
from harness.pixels import luma, quantise, recompose
from harness.tiles.store import map_array

Float = NDArray[np.float32]
Bytes = NDArray[np.uint8]
ARRAY = ".npy"
KINDS = (ARRAY, *SUFFIXES)


@dataclass(frozen=True)
class Pair:
    """One infrared and one visible picture of the same scene.

    infrared, visible: (H, W) float32 in [0, 1]; rgb: (3, H, W) uint8, or None where the
    visible picture is gray.
    """

    name: str
    infrared: Float
    visible: Float
    rgb: Bytes | None


def pair_files(infrared: Path, visible: Path, output: Path) -> list[tuple[Path, Path, Path]]:
    """List (infrared, visible, output) files: one of two files, all of two folders.

    In folders, partners have the same name up to the suffix.

    Raises:
        HarnessError: if only one is a folder, one is missing, or a picture has no partner.
    """
    for path in (infrared, visible):
        if not path.exists():
            raise HarnessError(f"{path}: no such file or folder")
    if infrared.is_dir() != visible.is_dir():
        raise HarnessError(f"{infrared} and {visible}: give two files or two folders")
    if not infrared.is_dir():
        return [(infrared, visible, output)]
    files = files_by_name(infrared, KINDS), files_by_name(visible, KINDS)
    alone = sorted(files[0].keys() ^ files[1].keys())
    if alone:
        raise HarnessError(f"{infrared} and {visible}: no partner for {', '.join(alone[:5])}")
    return [
        (path, files[1][stem], output / f"{stem}{ARRAY if path.suffix == ARRAY else '.png'}")
        for stem, path in files[0].items()
    ]


def read_pair(infrared: Path, visible: Path) -> Pair:
    """Read one pair.

    Raises:
        HarnessError: if a file is not readable or the sizes differ.
    """
    first = _array(infrared) if infrared.suffix == ARRAY else _gray(_open(infrared), infrared)
    rgb = None
    if visible.suffix == ARRAY:
        second = _array(visible)
    else:
        image = _open(visible)
        if image.mode in ("L", "1", "F") or image.mode.startswith("I"):
            second = _gray(image, visible)
        else:
            pixels = np.asarray(image.convert("RGB"))
            rgb = np.ascontiguousarray(np.moveaxis(pixels, -1, 0))
            second = luma(rgb).astype(np.float32) / np.float32(255)
    if first.shape != second.shape:
        sizes = [
            f"{path} {image.shape[1]}×{image.shape[0]}"
            for path, image in ((infrared, first), (visible, second))
        ]
        raise HarnessError(f"sizes differ: {', '.join(sizes)}; the pair has to be registered")
    return Pair(infrared.stem, first, second, rgb)


def _open(path: Path) -> Image.Image:
    with open_image(path) as image:
        image.load()
        return image


def _gray(image: Image.Image, path: Path) -> Float:
    if image.mode == "F":
        raise HarnessError(f"{path}: holds floating-point values; give them as `.npy` in [0, 1]")
    if image.mode.startswith("I"):
        values, top = np.clip(np.asarray(image), 0, 65535), 65535
    else:
        values, top = np.asarray(image.convert("L")), 255
    gray: Float = values.astype(np.float32) / np.float32(top)
    return gray


def _array(path: Path) -> Float:
    values = map_array(path)
    if values.ndim != 2 or not np.issubdtype(values.dtype, np.floating):
        raise HarnessError(f"{path}: {values.dtype} {values.shape}, expected float (H, W)")
    if not np.isfinite(values).all() or values.min() < 0 or values.max() > 1:
        raise HarnessError(f"{path}: values leave [0, 1] or are not finite; scale them")
    array: Float = values.astype(np.float32)
    return array


def write_fused(path: Path, fused: Float, pair: Pair) -> None:
    """Write a fused luma (H, W) atomically.

    To `.npy` as it is, float32 and unclamped; to a picture clamped and truncated to 8 bits,
    in the visible picture's colours if it has any.

    Raises:
        HarnessError: if the suffix names no picture format.
    """
    if path.suffix.lower() not in KINDS:
        raise HarnessError(f"{path}: unknown kind of file; write to one of {', '.join(KINDS)}")
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        if path.suffix == ARRAY:
            np.save(stream, fused)
            return
        pixels = quantise(fused)
        if pair.rgb is not None:
            colour = quantise(recompose(np.clip(fused, 0, 1)[None], pair.rgb[None])[0])
            pixels = np.moveaxis(colour, 0, -1)
        Image.fromarray(pixels).save(
            stream, format=Image.registered_extensions()[path.suffix.lower()]
        )
