"""Turning a mapping from the configuration into an adapter's option class."""

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from harness.errors import HarnessError

T = TypeVar("T")


def parse_options(kind: type[T], options: Mapping[str, Any], adapter: str) -> T:
    """Build the dataclass `kind`; lists become tuples, every type is checked.

    Raises:
        HarnessError: naming the adapter, the key, the value and what is expected.
    """
    hints = get_type_hints(kind)
    known = {item.name: item for item in fields(kind)}  # type: ignore[arg-type]
    for key in options:
        if key not in known:
            raise HarnessError(f"{adapter}: unknown option {key!r}; known: {', '.join(known)}")
    for key, item in known.items():
        required = item.default is MISSING and item.default_factory is MISSING
        if required and key not in options:
            raise HarnessError(f"{adapter}: the option {key!r} is missing")
    values = {
        key: _convert(value, hints[key], f"{adapter}: {key}") for key, value in options.items()
    }
    return kind(**values)


def _convert(value: Any, hint: Any, place: str) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return tuple(value) if isinstance(value, list) else value
    if origin in (Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        return _convert(value, next(a for a in arguments if a is not type(None)), place)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise HarnessError(f"{place} is {value!r}, expected a list")
        return tuple(_convert(item, arguments[0], place) for item in value)
    if hint is str and isinstance(value, int) and not isinstance(value, bool):
        # YAML reads an unquoted file name such as 10 as a number.
        return str(value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise HarnessError(f"{place} is {value!r}, expected {hint.__name__}")
    return value
