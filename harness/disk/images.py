"""Finding image files from elsewhere; `metrics.images` reads them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import HarnessError
from metrics.errors import MetricError
from metrics.images import SUFFIXES, list_images


def files_by_name(folder: Path, suffixes: tuple[str, ...] = SUFFIXES) -> dict[str, Path]:
    """Return the images of a folder as `list_images` does; names that are numbers come first.

    Raises:
        HarnessError: naming the folder or file, if there is no image or two have the same name.
    """
    with named_image_errors():
        files = list_images(folder, suffixes)
    if not files:
        raise HarnessError(f"{folder}: holds no images ({', '.join(suffixes)})")
    return {name: files[name] for name in sorted(files, key=_natural)}


def _natural(name: str) -> tuple[int, int, str]:
    # 2 comes before 10: published sets number their images without leading zeros.
    return (0, int(name), name) if name.isdecimal() else (1, 0, name)


@contextmanager
def named_image_errors() -> Iterator[None]:
    """Turn what the reader of `metrics.images` raises into an error of the harness.

    Raises:
        HarnessError: with the reader's message, which names the file.
    """
    try:
        yield
    except MetricError as error:
        raise HarnessError(str(error)) from error
