"""A folder of registered images: `rgb/`, `ir/` and, if there are labels, `seg/`.

The folders hold files of the same names (extensions may differ). `docs/add-a-dataset.md`
shows how RoadScene, MSRS or own pairs are described by the options alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.disk.images import files_by_name, named_image_errors
from harness.disk.schema import Items, Model, check
from harness.errors import HarnessError
from harness.pixels import IGNORE
from harness.scenes.labels import LabelEncoding
from harness.scenes.options import ImageName, Word
from harness.scenes.scene import Dataset, Scene
from harness.scenes.splits import check_split, restrict
from metrics.images import image_size, read_codes, read_grey, read_image, read_stored

Bytes = NDArray[np.uint8]


class Options(Model):
    """Options of the adapter, as `docs/add-a-dataset.md` lists them.

    `pairs` restricts the folder to these images (file names without extension). `test` names the
    test images; `None` tests on all and trains
    on none. `train` defaults to every image that is not in `test`. Labels are either colours
    (`palette`, one per class) or gray values (`codes`, one per class); `ignore` lists further
    values of the same kind that mean "no class". `rgb_bands` and `infrared_band` pick bands as
    they are stored; without them, colours are read by the rules of `metrics.images`, and an
    infrared image in colour becomes its luma.
    """

    root: Word
    title: Word = ""
    pairs: Items[ImageName] | None = None
    test: Items[ImageName] | None = None
    train: Items[ImageName] | None = None
    rgb_bands: Items[int] | None = None
    infrared_band: int | None = None
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
    parsed: Options = check(Options, dict(options), "tiles")
    root, count = Path(parsed.root), len(parsed.classes)
    for folder in (root, root / "rgb", root / "ir"):
        _require(folder.is_dir(), f"the folder {folder} does not exist; `root` must hold rgb/, ir/")
    labels = parsed.palette or parsed.codes
    both = parsed.palette and parsed.codes
    _require(not both, "give labels as `palette` or as `codes`, not both")
    _require(
        len(labels) == count,
        f"{count} classes, but {len(labels)} label values; `classes` needs one entry of `palette` "
        "or `codes` each",
    )
    if labels:
        _encoding(parsed)
        _require(
            (root / "seg").is_dir(),
            f"classes are given, but {root / 'seg'} does not exist; put the labels there, or leave "
            "`classes` out",
        )
    bands, infrared = parsed.rgb_bands, parsed.infrared_band
    _require(bands is None or len(bands) == 3, f"rgb_bands is {bands}, expected three band numbers")
    _require(
        min(*(bands or (0,)), infrared or 0) >= 0,
        f"rgb_bands is {bands} and infrared_band {infrared}; bands count from 0",
    )
    shown = parsed.colours or parsed.palette
    colours = all(len(value) == 3 and 0 <= min(value) <= max(value) <= 255 for value in shown)
    _require(
        not shown or (len(shown) == count and colours),
        f"{'colours' if parsed.colours else 'palette'} is {shown}, expected red, green and blue "
        f"from 0 to 255 for each of {count} classes",
    )
    return parsed


def _require(condition: object, problem: str) -> None:
    if not condition:
        raise HarnessError(f"tiles: {problem}")


def open_dataset(options: Mapping[str, Any]) -> Dataset:
    """Pair the files by name and check every header.

    Raises:
        HarnessError: naming the file that is missing, unreadable, or of another size.
    """
    parsed = check_options(options)
    root = Path(parsed.root)
    kinds = ("rgb", "ir", "seg") if parsed.classes else ("rgb", "ir")
    files = {kind: files_by_name(root / kind) for kind in kinds}
    _check_partners(files)
    every = list(files["rgb"])
    names = restrict("tiles", every, parsed.pairs, root / "rgb")
    test = names if parsed.test is None else parsed.test
    train = parsed.train
    if train is None:
        train = tuple(name for name in names if name not in test)
    check_split("tiles", names, train, test, root / "rgb")
    return Dataset(
        title=parsed.title or root.name,
        scenes=tuple(
            pair_scene(parsed, name, split, *(files[kind][name] for kind in kinds))
            for split, chosen in (("train", train), ("test", test))
            for name in chosen
        ),
        classes=parsed.classes,
        palette=display_colours(parsed),
        sources=({"folder": str(root)},),
        notes="" if parsed.pairs is None else f"{len(names)} of {len(every)} pairs.",
    )


def display_colours(parsed: Options) -> tuple[tuple[int, int, int], ...]:
    """Return the display colour of every class: the given ones, or grays."""
    grays = np.linspace(32, 224, max(len(parsed.classes), 1)).astype(int).tolist()
    colours = parsed.colours or parsed.palette or [(gray,) * 3 for gray in grays]
    return tuple((r, g, b) for r, g, b in colours[: len(parsed.classes)])


def _check_partners(files: dict[str, dict[str, Path]]) -> None:
    rgb = files["rgb"]
    for name, path in rgb.items():
        if name.encode(errors="ignore").decode() != name:
            raise HarnessError(f"{path}: its name is not UTF-8; rename the files of this pair")
    for key, others in files.items():
        alone = sorted(rgb.keys() ^ others.keys())
        if alone:
            here, missing = (rgb[alone[0]], key) if alone[0] in rgb else (others[alone[0]], "rgb")
            raise HarnessError(
                f"{here}: has no partner in {here.parent.parent / missing} "
                f"(files without one: {len(alone)}); the files of a pair have one name"
            )


def pair_scene(parsed: Options, name: str, split: str, rgb: Path, *others: Path) -> Scene:
    """Return the scene of a visible image, an infrared one and, if there are any, its labels.

    Raises:
        HarnessError: naming the file that is not readable or has another size.
    """
    height, width = _size(rgb)
    # Labels may be codes of 16 bits.
    for path, deepest in zip(others, (8, 16), strict=False):
        size = _size(path, deepest)
        if size != (height, width):
            other = "×".join(map(str, size))
            raise HarnessError(
                f"{path}: {other} pixels, but {rgb} has {height}×{width}; cut both to one size"
            )
    pair = _Pair(parsed, (rgb, *others))
    return Scene(name, split, height, width, pair.read, pair.close)


@dataclass
class _Pair:
    """One scene, which is decoded as a whole when its first window is read."""

    parsed: Options
    files: tuple[Path, ...]
    bands: Bytes | None = None

    def read(self, y: int, x: int, height: int, width: int) -> Bytes:
        if self.bands is None:
            self.bands = self._decode(*self.files)
        return self.bands[:, y : y + height, x : x + width]

    def _decode(self, rgb: Path, infrared: Path, label: Path | None = None) -> Bytes:
        visible, near = _visible(self.parsed, rgb), _infrared(self.parsed, infrared)
        classes = np.full(near.shape, IGNORE, np.uint8)
        if label is not None:
            classes = _labels(self.parsed, label)
        return np.concatenate([visible, near[None], classes[None]])

    def close(self) -> None:
        self.bands = None


def _visible(parsed: Options, path: Path) -> Bytes:
    with named_image_errors():
        if parsed.rgb_bands is None:
            bands = read_image(path)
            return np.repeat(bands, 3, axis=0) if len(bands) == 1 else bands
        return _pick(read_stored(path), parsed.rgb_bands, path)


def _infrared(parsed: Options, path: Path) -> Bytes:
    with named_image_errors():
        if parsed.infrared_band is None:
            return read_grey(path)
        near: Bytes = _pick(read_stored(path), (parsed.infrared_band,), path)[0]
        return near


def _size(path: Path, deepest: int = 8) -> tuple[int, int]:
    with named_image_errors():
        return image_size(path, deepest=deepest)


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
    with named_image_errors():
        bands = read_stored(path) if encoding.channels == 3 else read_codes(path)
    if encoding.channels == 3 and len(bands) < 3:
        raise HarnessError(f"{path}: gray labels, but the options give colours; give `codes`")
    return encoding.decode(bands, str(path))


def _encoding(parsed: Options) -> LabelEncoding:
    ignore = tuple(value if isinstance(value, tuple) else (value,) for value in parsed.ignore)
    values = parsed.palette or tuple((code,) for code in parsed.codes)
    return LabelEncoding(values, ignore, hint="list the value under `ignore` or fix the file")
