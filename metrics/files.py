"""Tables of image files: measured, checked and written."""

import csv
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from .colour import score_bands
from .dialects import DIALECTS, lookup
from .errors import MetricError
from .images import read_aligned, read_grey, read_image
from .scoring import Table
from .shared.arrays import Values


def score_files(
    names: Mapping[str, Mapping[str, Path]],
    methods: Sequence[str],
    metrics: Sequence[str] | None = None,
    *,
    threads: int = 1,
    dialect: str | None = None,
    resize: int | None = None,
) -> dict[str, dict[str, Values]]:
    """Measure image files, each read once, with a progress bar on a terminal.

    Args:
        names: by name, the files of "infrared", "visible" and each method.
        methods: the roles that are fused images.
        metrics: as `names` of `metrics.score`.
        threads: how many threads read and measure images.
        dialect: as in `metrics.score`.
        resize: as in `metrics.score`.

    Returns:
        Per method one array per metric, with one value per name.

    Raises:
        MetricError: as `read_aligned` and `metrics.score`; names the file.
    """
    if threads < 1:
        raise MetricError(f"threads must be 1 or more, got {threads}")
    entries = [entry.name for entry in lookup(metrics, dialect)]
    in_colour = dialect is not None and DIALECTS[dialect].colour == "per_channel"
    read = read_image if in_colour else read_grey

    def measure(files: Mapping[str, Path]) -> Table:
        read_ones = read_aligned(files, read).items()
        images = {role: image.reshape(-1, *image.shape[-2:]) for role, image in read_ones}
        fused = {method: images[method] for method in methods}
        sources = images["infrared"], images["visible"]
        try:
            return score_bands(fused, *sources, entries, dialect=dialect, resize=resize)
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
        # File names may hold bytes that are not text.
        with temporary.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
            writer = csv.writer(file)
            writer.writerow(["method", "image", *next(iter(table.values()))])
            for method, columns in table.items():
                for index, name in enumerate(names):
                    values = (repr(float(column[index])) for column in columns.values())
                    writer.writerow([method, name, *values])
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
