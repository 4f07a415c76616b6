"""Types for the options of an adapter, which are a model of its own."""

from typing import Annotated, Any

from pydantic import BeforeValidator

from harness.disk.schema import Model


def _as_text(value: Any) -> Any:
    return str(value) if type(value) is int else value


Word = Annotated[str, BeforeValidator(_as_text)]
"""A name in options: YAML reads an unquoted file name such as 10 as a number."""


class NoOptions(Model):
    """Nothing can be chosen: images, split and classes are fixed."""
