"""Finding and opening pictures that strangers made."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from harness.errors import HarnessError

SUFFIXES = (".png", ".tif", ".tiff", ".bmp", ".jpg", ".jpeg")
"""Of the pictures that a folder is searched for."""


def files_by_name(folder: Path, suffixes: tuple[str, ...] = SUFFIXES) -> dict[str, Path]:
    """Return a folder's pictures by name without suffix: numbers first, in their order.

    Raises:
        HarnessError: naming folder or file, if there are none or two have one name.
    """
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir(), key=lambda path: _natural(path.stem)):
        if path.suffix.lower() not in suffixes:
            continue
        if path.stem in files:
            raise HarnessError(f"{path}: {files[path.stem].name} has the same name; keep one")
        files[path.stem] = path
    if not files:
        raise HarnessError(f"{folder}: holds no pictures ({', '.join(suffixes)})")
    return files


def _natural(name: str) -> tuple[int, int, str]:
    # 2 before 10: published sets number their pictures without leading zeros.
    return (0, int(name), name) if name.isdecimal() else (1, 0, name)


@contextmanager
def open_image(path: Path) -> Iterator[Image.Image]:
    """Open a picture for a block that decodes it and does nothing else.

    Raises:
        HarnessError: naming the file, for anything that opening or decoding raises.
    """
    try:
        with Image.open(path) as image:
            yield image
    except HarnessError:
        raise
    except Exception as error:
        # Pillow's decoders raise many types; all mean that this file is of no use.
        raise HarnessError(f"{path}: not a readable picture: {error!r}") from error
