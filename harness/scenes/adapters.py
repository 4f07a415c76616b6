"""Data set adapters: one folder each, found by its name.

An adapter module has `check_options(options)`, which is quick and opens no picture, and
`open_dataset(options) -> Dataset`. One whose data have to be fetched also has
`layout(options) -> SceneSizes`, for plans made before that.
"""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, cast

from harness.errors import HarnessError
from harness.scenes.scene import Dataset, SceneSizes

FOLDER = Path(__file__).resolve().parents[1] / "datasets"


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
    adapters = {path.parent.name: path for path in sorted(FOLDER.glob("*/adapter.py"))}
    if name not in adapters:
        raise HarnessError(f"no data set adapter {name!r}; there are: {', '.join(adapters)}")
    return adapters[name]


def find_adapter(name: str) -> Adapter:
    """Import the adapter module called `name`."""
    adapter_file(name)
    return cast(Adapter, importlib.import_module(f"harness.datasets.{name}.adapter"))


def layout_of(name: str, options: Mapping[str, Any]) -> SceneSizes:
    """Sizes and classes of a data set, by the adapter's own knowledge or from its files.

    Raises:
        HarnessError: for an option that cannot work, or a file that cannot be read.
    """
    adapter = find_adapter(name)
    if hasattr(adapter, "layout"):
        return cast(SceneSizes, adapter.layout(options))
    dataset = adapter.open_dataset(options)
    return SceneSizes(dataset.scenes, dataset.classes)
