"""Types for the options of an adapter, which are a model of its own."""

import unicodedata
from typing import Annotated, Any

from pydantic import BeforeValidator

from harness.disk.schema import Model


def _as_text(value: Any) -> Any:
    return str(value) if type(value) is int else value


def _as_name(value: Any) -> Any:
    text = _as_text(value)
    return unicodedata.normalize("NFC", text) if isinstance(text, str) else text


Word = Annotated[str, BeforeValidator(_as_text)]
"""A text in options: YAML reads an unquoted one such as 10 as a number."""
ImageName = Annotated[str, BeforeValidator(_as_name)]
"""The name of an image without its suffix, in the composed form of Unicode (NFC)."""


class NoOptions(Model):
    """Nothing can be chosen: images, split and classes are fixed."""
