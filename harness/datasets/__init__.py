"""Data set adapters: one module each, found by its name.

An adapter module has `check_options(options)`, which is quick and opens no picture, and
`open_dataset(options) -> Dataset`.
"""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, cast

from harness.datasets.base import Dataset
from harness.errors import HarnessError

_SHARED = {"__init__", "base", "options"}


class Adapter(Protocol):
    """The two functions of an adapter module."""

    def check_options(self, options: Mapping[str, Any]) -> object:
        """Raise HarnessError for an option that cannot work."""
        ...

    def open_dataset(self, options: Mapping[str, Any]) -> Dataset:
        """Describe the scenes; pixels are read later, by windows."""
        ...


def adapter_file(name: str) -> Path:
    """Return the source file of an adapter.

    Raises:
        HarnessError: listing the adapters, if there is none of that name.
    """
    files = {path.stem: path for path in sorted(Path(__file__).parent.glob("*.py"))}
    adapters = {stem: path for stem, path in files.items() if _is_adapter(stem, path)}
    if name not in adapters:
        raise HarnessError(f"no data set adapter {name!r}; there are: {', '.join(adapters)}")
    return adapters[name]


def _is_adapter(stem: str, path: Path) -> bool:
    return stem not in _SHARED and "def open_dataset(" in path.read_text(encoding="utf-8")


def find_adapter(name: str) -> Adapter:
    """Import the adapter module called `name`."""
    adapter_file(name)
    return cast(Adapter, importlib.import_module(f"harness.datasets.{name}"))
