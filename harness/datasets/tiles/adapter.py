"""A folder of registered images: `rgb/`, `ir/` and, if there are labels, `seg/`.

The folders hold files of the same names (extensions may differ). `docs/add-a-dataset.md`
shows how RoadScene, MSRS or own pairs are described by the options alone.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.disk.images import files_by_name, open_image
from harness.disk.schema import Items, Model, parse
from harness.errors import HarnessError
from harness.pixels import IGNORE
from harness.scenes.labels import LabelEncoding
from harness.scenes.options import Word
from harness.scenes.scene import Dataset, Scene
from harness.scenes.splits import check_split

Bytes = NDArray[np.uint8]


class Options(Model):
    """Options of the adapter, as `config/README.md` lists them.

    `test` names the test pictures (file names without extension); `None` tests on all and
    trains on none. `train` defaults to every picture that is not in `test`. Labels are
    either colours (`palette`, one per class) or gray values (`codes`, one per class);
    `ignore` lists further values of the same kind that mean "no class".
    """

    root: Word
    title: Word = ""
    test: Items[Word] | None = None
    train: Items[Word] | None = None
    rgb_bands: Items[int] = (0, 1, 2)
    infrared_band: int = 0
    classes: Items[Word] = ()
    colours: Items[Items[int]] = ()
    palette: Items[Items[int]] = ()
    codes: Items[int] = ()
    ignore: Items[int | Items[int]] = ()


def check_options(options: Mapping[str, Any]) -> Options:
    """Check the options without opening an image.

    Raises:
        HarnessError: naming the key or folder that is wrong.
    """
    parsed = parse(Options, options, "tiles")
    root = Path(parsed.root)
    for folder in (root, root / "rgb", root / "ir"):
        if not folder.is_dir():
            raise HarnessError(
                f"tiles: the folder {folder} does not exist; `root` must hold rgb/ and ir/"
            )
    labels = parsed.palette or parsed.codes
    if parsed.palette and parsed.codes:
        raise HarnessError("tiles: give labels as `palette` or as `codes`, not both")
    if bool(labels) != bool(parsed.classes) or len(labels) != len(parsed.classes):
        raise HarnessError(
            f"tiles: {len(parsed.classes)} classes, but {len(labels)} label values; "
            "`classes` needs one entry of `palette` or `codes` each"
        )
    if labels:
        _encoding(parsed)
        if not (root / "seg").is_dir():
            raise HarnessError(
                f"tiles: classes are given, but {root / 'seg'} does not exist; put the labels "
                "there, or leave `classes` out"
            )
    if len(parsed.rgb_bands) != 3:
        raise HarnessError(f"tiles: rgb_bands is {parsed.rgb_bands}, expected three band numbers")
    if min(*parsed.rgb_bands, parsed.infrared_band) < 0:
        raise HarnessError(
            f"tiles: rgb_bands is {parsed.rgb_bands} and infrared_band {parsed.infrared_band}; "
            "bands count from 0"
        )
    shown = parsed.colours or parsed.palette
    if shown and (len(shown) != len(parsed.classes) or not all(map(_is_colour, shown))):
        key = "colours" if parsed.colours else "palette"
        raise HarnessError(
            f"tiles: {key} is {shown}, expected red, green and blue from 0 to 255 for each of "
            f"{len(parsed.classes)} classes"
        )
    return parsed


def _is_colour(value: tuple[int, ...]) -> bool:
    return len(value) == 3 and all(0 <= channel <= 255 for channel in value)


def open_dataset(options: Mapping[str, Any]) -> Dataset:
    """Pair the files by name and check every header.

    Raises:
        HarnessError: naming the file that is missing, unreadable, or of another size.
    """
    parsed = check_options(options)
    root = Path(parsed.root)
    rgb = files_by_name(root / "rgb")
    others = {
        name: files_by_name(root / name) for name in ("ir", *(["seg"] if parsed.classes else []))
    }
    _check_partners(rgb, others)
    train, test = _split(parsed, list(rgb))
    scenes = tuple(
        _scene(parsed, name, split, rgb[name], {key: files[name] for key, files in others.items()})
        for split, names in (("train", train), ("test", test))
        for name in names
    )
    return Dataset(
        title=parsed.title or root.name,
        scenes=scenes,
        classes=parsed.classes,
        palette=tuple(
            (r, g, b) for r, g, b in (parsed.colours or parsed.palette or _grays(parsed))
        ),
        sources=({"folder": str(root)},),
    )


def _grays(parsed: Options) -> list[tuple[int, int, int]]:
    steps = np.linspace(32, 224, max(len(parsed.classes), 1)).astype(int).tolist()
    return [(value, value, value) for value in steps[: len(parsed.classes)]]


def _check_partners(rgb: dict[str, Path], others: dict[str, dict[str, Path]]) -> None:
    for name, path in rgb.items():
        if name.encode(errors="ignore").decode() != name:
            raise HarnessError(f"{path}: its name is not UTF-8; rename the files of this pair")
    for key, files in others.items():
        alone = sorted(rgb.keys() ^ files.keys())
        if alone:
            here, missing = (rgb[alone[0]], key) if alone[0] in rgb else (files[alone[0]], "rgb")
            raise HarnessError(
                f"{here}: has no partner in {here.parent.parent / missing} "
                f"(files without one: {len(alone)}); the files of a pair have one name"
            )


def _split(parsed: Options, names: list[str]) -> tuple[list[str], list[str]]:
    test = names if parsed.test is None else list(parsed.test)
    train = [name for name in names if name not in test]
    if parsed.train is not None:
        train = list(parsed.train)
    check_split("tiles", names, train, test, Path(parsed.root, "rgb"))
    return train, test


def _scene(parsed: Options, name: str, split: str, rgb: Path, others: dict[str, Path]) -> Scene:
    width, height = _size(rgb)
    for path in others.values():
        if _size(path) != (width, height):
            other = "×".join(map(str, reversed(_size(path))))
            raise HarnessError(
                f"{path}: {other} pixels, but {rgb} has {height}×{width}; cut both to one size"
            )

    pair = _Pair(parsed, rgb, others["ir"], others.get("seg"))
    return Scene(name, split, height, width, pair.read, pair.close)


@dataclass
class _Pair:
    """One scene, which is decoded as a whole when its first window is read."""

    parsed: Options
    rgb: Path
    infrared: Path
    label: Path | None
    bands: Bytes | None = None

    def read(self, y: int, x: int, height: int, width: int) -> Bytes:
        if self.bands is None:
            self.bands = _decode(self.parsed, self.rgb, self.infrared, self.label)
        return self.bands[:, y : y + height, x : x + width]

    def close(self) -> None:
        self.bands = None


def _decode(parsed: Options, rgb: Path, infrared: Path, label: Path | None) -> Bytes:
    visible = _pick(_pixels(rgb), parsed.rgb_bands, rgb)
    near = _pick(_pixels(infrared), (parsed.infrared_band,), infrared)
    shape = visible.shape[1:]
    classes = _labels(parsed, label) if label else np.full(shape, IGNORE, np.uint8)
    return np.concatenate([visible, near, classes[None]])


def _size(path: Path) -> tuple[int, int]:
    with open_image(path) as image:
        # Of a colour image of 16 bits, Pillow would silently keep the upper 8 bits.
        deep = any(re.search(";16[BLN]", str(part)) for part in getattr(image, "tile", ()))
        if deep or image.mode.startswith(("I", "F")):
            kind = "16 bits a band" if deep else f"pixels of mode {image.mode}"
            raise HarnessError(
                f"{path}: {kind}, expected 8 bits a band; "
                "scale the set to 0-255 with one common factor first"
            )
        return image.size


def _pixels(path: Path, *, palette: bool = True) -> Bytes:
    """Decode to (bands, H, W), uint8; `palette` turns palette indices into their colours."""
    with open_image(path) as image:
        if image.mode == "P" and palette:
            decoded = image.convert("RGB")
        elif image.mode in ("1", "LA", "CMYK", "YCbCr", "HSV"):
            decoded = image.convert("L" if image.mode in ("1", "LA") else "RGB")
        else:
            decoded = image
        array = np.asarray(decoded)
    return array[None] if array.ndim == 2 else np.moveaxis(array, 2, 0)


def _pick(bands: Bytes, wanted: tuple[int, ...], path: Path) -> Bytes:
    if len(bands) == 1:
        return np.repeat(bands, len(wanted), axis=0)
    if max(wanted) >= len(bands):
        raise HarnessError(
            f"{path}: band {max(wanted)} is requested; it has {len(bands)} bands, counted from 0"
        )
    return bands[list(wanted)]


def _labels(parsed: Options, path: Path) -> Bytes:
    """Turn a label image into class indices; refuse a value that is neither class nor ignored."""
    encoding = _encoding(parsed)
    bands = _pixels(path, palette=encoding.channels == 3)
    if encoding.channels == 3 and len(bands) < 3:
        raise HarnessError(f"{path}: gray labels, but the options give colours; give `codes`")
    return encoding.decode(bands, str(path))


def _encoding(parsed: Options) -> LabelEncoding:
    ignore = tuple(value if isinstance(value, tuple) else (value,) for value in parsed.ignore)
    values = parsed.palette or tuple((code,) for code in parsed.codes)
    return LabelEncoding(values, ignore, hint="list the value under `ignore` or fix the file")
