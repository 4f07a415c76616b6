"""Tables of image files: measured, checked and written."""

import csv
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from .colour import Colour, colour_rule, score_channels
from .dialects import lookup
from .errors import MetricError
from .images import Bytes, grey_of, in_colour, read_aligned, read_grey, read_image
from .resize import bilinear
from .scoring import Table, check_threads, score_methods
from .shared.arrays import Values, as_batch
from .texts import csv_cell

LARGE = 1 << 22
"""Pixels above which images are measured one at a time."""


def score_files(
    names: Mapping[str, Mapping[str, Path]],
    methods: Sequence[str],
    metrics: Sequence[str] | None = None,
    *,
    threads: int = 1,
    dialect: str | None = None,
    resize: int | None = None,
    colour: Colour | None = None,
) -> dict[str, dict[str, Values]]:
    """Measure image files, each read once, with a progress bar on a terminal.

    Args:
        names: by name, the files of "infrared", "visible" and each method.
        methods: the roles that are fused images.
        metrics: as `names` of `metrics.score`.
        threads: how many threads read and measure images.
        dialect: as in `metrics.score`.
        resize: as in `metrics.score`.
        colour: whether colour images are measured by their luma, or channel by channel; None
            stands for the rule of the dialect. Where all images of a name are grey, this makes no
            difference.

    Returns:
        Per method one array per metric, with one value per name.

    Raises:
        MetricError: as `read_aligned` and `metrics.score`; names the file.
    """
    check_threads(threads)
    entries = [entry.name for entry in lookup(metrics, dialect)]
    rule = colour or colour_rule(dialect)
    read = read_image if rule == "per_channel" else read_grey
    one_at_a_time = Lock()

    def measure(files: Mapping[str, Path]) -> Table:
        images = read_aligned(files, read)
        height, width = images["infrared"].shape[-2:]
        try:
            # Large images would need the memory of one for every thread.
            with one_at_a_time if height * width > LARGE else nullcontext():
                return _measured(images, methods, entries, dialect, resize)
        except MetricError as error:
            raise MetricError(f"{files[methods[0]]}: {error}") from error

    with ThreadPoolExecutor(threads) as pool:
        tables = list(_with_bar(pool.map(measure, names.values()), len(names)))
    return {
        method: {
            name: np.concatenate([table[method][name] for table in tables]) for name in columns
        }
        for method, columns in tables[0].items()
    }


def _measured(
    images: Mapping[str, Bytes],
    methods: Sequence[str],
    entries: Sequence[str],
    dialect: str | None,
    resize: int | None,
) -> Table:
    """Measure the images of one name, channel by channel if one has three."""
    if any(image.ndim == 3 and len(image) == 3 for image in images.values()):
        bands = {role: _resized(in_colour(image), resize) for role, image in images.items()}
        return score_channels(*_roles(bands, methods), entries, dialect=dialect)
    grey = {role: grey_of(image)[None] for role, image in images.items()}
    return score_methods(*_roles(grey, methods), entries, dialect=dialect, resize=resize)


def _resized(bands: Bytes, side: int | None) -> Any:
    """Return (1, 3, H, W) of (3, H, W), each channel resized to `side` if it is given."""
    return (bands if side is None else bilinear(as_batch(bands, "image"), (side, side)))[None]


def _roles(images: Mapping[str, Any], methods: Sequence[str]) -> tuple[dict[str, Any], Any, Any]:
    return {name: images[name] for name in methods}, images["infrared"], images["visible"]


def _with_bar(done: Iterator[Table], total: int) -> Iterable[Table]:
    try:
        from tqdm import tqdm
    except ImportError:
        # The package needs no progress bar where it is installed alone.
        return done
    bar: Iterable[Table] = tqdm(done, total=total, unit="image", disable=None)
    return bar


def write_csv(path: Path, names: Sequence[str], table: Mapping[str, Mapping[str, Values]]) -> None:
    """Write one row per image and method, one column per metric; never a partial file.

    Raises:
        MetricError: the file cannot be written; its message gives the reason.
    """
    temporary = path.with_name(f".scores.{os.getpid()}.part")
    try:
        with temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["method", "image", *next(iter(table.values()))])
            for method, columns in table.items():
                for index, name in enumerate(names):
                    values = (repr(float(column[index])) for column in columns.values())
                    writer.writerow([csv_cell(method), csv_cell(name), *values])
        temporary.replace(path)
    except OSError as error:
        raise MetricError(f"{path}: cannot be written ({error.strerror})") from error
    finally:
        temporary.unlink(missing_ok=True)


def check_output(path: Path) -> None:
    """Refuse a table that is not named `.csv`, has no folder, or is one."""
    if path.suffix.lower() != ".csv":
        raise MetricError(f"{path}: found the suffix {path.suffix!r}, expected '.csv'; rename it")
    if not path.parent.is_dir():
        raise MetricError(f"{path}: the folder {path.parent} does not exist; create it first")
    if path.exists() and not path.is_file():
        raise MetricError(f"{path}: is a folder or a device; name the file to write")


def check_no_input(path: Path, names: Mapping[str, Mapping[str, Path]]) -> None:
    """Refuse to write onto an image that is read, whatever links or spellings lead to it."""
    # `resolve` follows links that lead nowhere yet; hard links and letter case need the inode.
    output, exists = path.resolve(), path.exists()
    for files in names.values():
        for file in files.values():
            if file.resolve() == output or (exists and file.exists() and file.samefile(path)):
                raise MetricError(f"{path}: is the image {file}, which is read; name another file")
