"""Data set adapters: one folder each, found by its name, here or in outside folders.

An adapter module has `check_options(options)`, which is quick and opens no image, and
`open_dataset(options) -> Dataset`. One whose data have to be fetched also has
`layout(options) -> SceneSizes`, for plans made before that, and `SOURCES`, its entry in the
registry of external files. `DATA_FILES` lists files beside the code that decide on the tiles. With
`WHOLE`, test images are measured whole unless the configuration gives `tiling`. `fused` names the
fused images that come with the set, which `fetch_fused` fetches.
A folder of ours with `set.yaml` and without code is a set for `harness.datasets.published`.
"""

import importlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, cast

from harness.disk.code import files_of_folder
from harness.disk.plugins import children, load_package
from harness.errors import HarnessError, suggest
from harness.fetching.registry import dataset_sources
from harness.fetching.source import ExternalFile
from harness.scenes.scene import Dataset, SceneSizes

ROOT_OPTION = "root"
"""Option of an adapter that says where the images are: their content counts, not the place."""
FOLDER = Path(__file__).resolve().parents[1] / "datasets"
KINDS = ("adapter.py", "set.yaml")
"""The file by which a folder is known to be a data set."""


class Adapter(Protocol):
    """The two functions of an adapter module."""

    def check_options(self, options: Mapping[str, Any]) -> object:
        """Raise HarnessError for an option that cannot work."""
        ...

    def open_dataset(self, options: Mapping[str, Any]) -> Dataset:
        """Describe the scenes; pixels are read later, by windows."""
        ...


def adapter_folders(include: Sequence[Path] = ()) -> dict[str, Path]:
    """Return the folder of every adapter, also of those in `include`, by its name.

    Raises:
        HarnessError: if an outside folder has a name that is taken.
    """
    folders: dict[str, Path] = {}
    ours = sorted(path.parent for kind in KINDS for path in FOLDER.glob(f"*/{kind}"))
    for folder in [*ours, *children(include, "adapter.py")]:
        if folder.name in folders:
            taken = folders[folder.name]
            raise HarnessError(f"{folder}: the name {folder.name!r} is taken by {taken}; rename")
        folders[folder.name] = folder
    return folders


def adapter_folder(name: str, include: Sequence[Path] = ()) -> Path:
    """Return the folder of the adapter called `name`.

    Raises:
        HarnessError: giving the nearest name, if there is none of that name; or as
            `adapter_folders`.
    """
    folders = adapter_folders(include)
    if name not in folders:
        raise HarnessError(f"no data set adapter {name!r}; {suggest(name, folders)}")
    return folders[name]


def adapter_files(name: str, include: Sequence[Path] = ()) -> list[Path]:
    """Return every file that decides on the tiles: the adapter's folder, and its data files."""
    folder, adapter = adapter_folder(name, include), find_adapter(name, include)
    shared = [] if (folder / "adapter.py").is_file() else [FOLDER / "published.py"]
    return sorted({*files_of_folder(folder), *shared, *getattr(adapter, "DATA_FILES", ())})


def source_places(options: Mapping[str, Any]) -> list[Path]:
    """Return the user's own files and folders that the options of an adapter name."""
    named = [
        Path(value)
        for key, value in sorted(options.items())
        if isinstance(value, str) and (key == ROOT_OPTION or os.sep in value)
    ]
    return [path for path in named if path.exists()]


def find_adapter(name: str, include: Sequence[Path] = ()) -> Adapter:
    """Import the adapter called `name`."""
    folder = adapter_folder(name, include)
    if not (folder / "adapter.py").is_file():
        published = importlib.import_module("harness.datasets.published")
        return cast(Adapter, published.PublishedSet(folder))
    ours = folder.parent == FOLDER
    package = f"harness.datasets.{name}" if ours else load_package(folder)
    return cast(Adapter, importlib.import_module(f"{package}.adapter"))


def layout_of(adapter: Adapter, options: Mapping[str, Any]) -> SceneSizes:
    """Return sizes and classes of a data set, by the adapter's own knowledge or from its files.

    Raises:
        HarnessError: for an option that cannot work, or a file that cannot be read.
    """
    if hasattr(adapter, "layout"):
        return cast(SceneSizes, adapter.layout(options))
    dataset = adapter.open_dataset(options)
    return SceneSizes(dataset.scenes, dataset.classes)


def files_to_fetch(adapter: Adapter) -> list[ExternalFile]:
    """Return the external files of a data set, without those that are fetched on demand only."""
    name = getattr(adapter, "SOURCES", None)
    every = dataset_sources(name).values() if name else ()
    return [source for source in every if not source.optional]
