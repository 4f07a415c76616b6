"""Data set adapters: one folder each, found by its name.

An adapter module has `check_options(options)`, which is quick and opens no picture, and
`open_dataset(options) -> Dataset`. One whose data have to be fetched also has
`layout(options) -> Layout`, for plans made before that.
"""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, cast

from harness.errors import HarnessError, suggest
from harness.scenes.scene import Dataset, Layout

FOLDER = Path(__file__).resolve().parents[1] / "datasets"


class Adapter(Protocol):
    """The two functions of an adapter module."""

    def check_options(self, options: Mapping[str, Any]) -> object:
        """Raise HarnessError for an option that cannot work."""
        ...

    def open_dataset(self, options: Mapping[str, Any]) -> Dataset:
        """Describe the scenes; pixels are read later, by windows."""
        ...


def adapter_files() -> dict[str, Path]:
    """Return the source file of every adapter by its name."""
    return {path.parent.name: path for path in sorted(FOLDER.glob("*/adapter.py"))}


def adapter_file(name: str) -> Path:
    """Return the source file of an adapter.

    Raises:
        HarnessError: suggesting the nearest name, if there is no adapter of that name.
    """
    adapters = adapter_files()
    if name not in adapters:
        raise HarnessError(f"no data set adapter {name!r}: {suggest(name, adapters)}")
    return adapters[name]


def find_adapter(name: str) -> Adapter:
    """Import the adapter module called `name`."""
    adapter_file(name)
    return cast(Adapter, importlib.import_module(f"harness.datasets.{name}.adapter"))


def layout_of(name: str, options: Mapping[str, Any]) -> Layout:
    """Sizes and classes of a data set, by the adapter's own knowledge or from its files.

    Raises:
        HarnessError: for an option that cannot work, or a file that cannot be read.
    """
    adapter = find_adapter(name)
    if hasattr(adapter, "layout"):
        return cast(Layout, adapter.layout(options))
    dataset = adapter.open_dataset(options)
    return Layout(dataset.scenes, dataset.classes)
