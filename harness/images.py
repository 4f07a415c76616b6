"""Opening pictures that strangers made."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from harness.errors import HarnessError


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
