"""Finding and opening image files from elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from harness.errors import HarnessError

SUFFIXES = (".png", ".tif", ".tiff", ".bmp", ".jpg", ".jpeg")
"""Suffixes of the images that a folder is searched for, in lower case."""


def files_by_name(folder: Path, suffixes: tuple[str, ...] = SUFFIXES) -> dict[str, Path]:
    """Return the images of a folder by their names without suffix; numbers first, ascending.

    Raises:
        HarnessError: naming the folder or file, if there is no image or two have the same name.
    """
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir(), key=lambda path: _natural(path.stem)):
        if path.suffix.lower() not in suffixes:
            continue
        if path.stem in files:
            raise HarnessError(f"{path}: {files[path.stem].name} has the same name; keep one")
        files[path.stem] = path
    if not files:
        raise HarnessError(f"{folder}: holds no images ({', '.join(suffixes)})")
    return files


def _natural(name: str) -> tuple[int, int, str]:
    # 2 comes before 10: published sets number their images without leading zeros.
    return (0, int(name), name) if name.isdecimal() else (1, 0, name)


@contextmanager
def open_image(path: Path) -> Iterator[Image.Image]:
    """Open an image for a block that only decodes it.

    Raises:
        HarnessError: naming the file, for anything that opening or decoding it raises.
    """
    try:
        with Image.open(path) as image:
            yield image
    except HarnessError:
        raise
    except Exception as error:
        # Pillow's decoders raise errors of many types; each means that the file is unusable.
        raise HarnessError(f"{path}: not a readable image: {error!r}") from error
