"""The options of an adapter: a model of its own, whose keys the configuration gives."""

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator

from harness.disk.schema import Model, check


def _as_text(value: Any) -> Any:
    return str(value) if type(value) is int else value


Word = Annotated[str, BeforeValidator(_as_text)]
"""A name in options: YAML reads an unquoted file name such as 10 as a number."""


class AdapterOptions(Model):
    """Base of the options of an adapter."""


T = TypeVar("T", bound=Model)


def parse_options(kind: type[T], options: Mapping[str, Any], adapter: str) -> T:
    """Return the options as the model `kind`; lists become tuples, every type is checked.

    Raises:
        HarnessError: naming the adapter, the key, the value and what is expected.
    """
    parsed: T = check(kind, options, adapter)
    return parsed
