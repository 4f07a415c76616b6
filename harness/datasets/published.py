"""Published sets of image pairs: a folder with `set.yaml` and `files.tsv`, and no code.

`files.tsv` lists the files of a publisher's repository: one row per file, with its role, the pair
that it belongs to, size in pixels, split and hashes. `set.yaml` says how they are read, the
registry of external files where they are. Only the files of the pairs in use are fetched.
"""

import importlib
import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import Field

from harness.datasets.tiles import adapter as tiles
from harness.disk.schema import Items, Model, Name, Text, check, read_yaml
from harness.fetching.batch import fetch_all, record_of_all
from harness.fetching.places import Places
from harness.fetching.registry import dataset_sources, read_manifest
from harness.fetching.source import CACHE
from harness.scenes.options import ImageName, Word
from harness.scenes.scene import Dataset, Extent, SceneSizes
from harness.scenes.splits import divide, restrict

ROLES = ("visible", "infrared", "label")


class SetFile(Model):
    """What `set.yaml` says about a published set."""

    title: Text
    family: Name = Field(description="the collection that it is taken from, as `trained_on` names")
    whole: bool = Field(
        False, description="test images are measured whole unless the configuration gives `tiling`"
    )
    rgb_bands: Items[int] = Field((0, 1, 2), description="bands of the visible file, from 0")
    infrared_band: int = Field(0, description="band of the infrared file, from 0")
    classes_of: Name | None = Field(None, description="data set with the same classes and labels")
    classes: Items[str] = Field((), description="class names, if no other data set has them")
    codes: Items[int] = Field((), description="gray value of each class in the labels")
    palette: Items[Items[int]] = Field((), description="colour of each class in the labels")
    colours: Items[Items[int]] = Field((), description="display colours, if not the palette")
    ignore: Items[int] = Field((), description="gray values of no class")
    notes: Text = Field(description="what a reader of a result has to know")


class Options(Model):
    """What can be chosen.

    `pairs` restricts the set to these pairs; `train` and `test` replace the published split, in
    which every pair of a set without one is for testing. `cache` is for downloads; `mirrors` are
    folders that may hold the files, also as a copy of the publisher's repository.
    """

    pairs: Items[ImageName] | None = None
    train: Items[ImageName] | None = None
    test: Items[ImageName] | None = None
    cache: Word = str(CACHE)
    mirrors: Items[Word] = ()


class PublishedImages(NamedTuple):
    """Fused images that a set publishes: the title of their method, and pair → path."""

    title: str
    paths: dict[str, str]


def _places(chosen: Options) -> Places:
    return Places(Path(chosen.cache), [Path(folder) for folder in chosen.mirrors])


class PublishedSet:
    """The adapter of the set that a folder describes; `SOURCES` is its entry in the registry."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.SOURCES = folder.name
        self.table = folder / "files.tsv"

    @property
    def DATA_FILES(self) -> tuple[Path, ...]:  # noqa: N802 (a constant of other adapters)
        """Files beside the code that decide what the images and labels are."""
        own = (self.folder / "set.yaml", self.table)
        if self.about.classes_of is None:
            return own
        return (*own, self.folder.with_name(self.about.classes_of) / "classes.py")

    @property
    def WHOLE(self) -> bool:  # noqa: N802 (a constant of other adapters)
        """Whether test images are measured whole unless the configuration gives `tiling`."""
        return self.about.whole

    @cached_property
    def about(self) -> SetFile:
        """The content of `set.yaml`."""
        path = self.folder / "set.yaml"
        about: SetFile = check(SetFile, read_yaml(path), str(path))
        return about

    @cached_property
    def pairs(self) -> dict[str, dict[str, dict[str, str]]]:
        """The rows of the table: pair → role → row."""
        found: dict[str, dict[str, dict[str, str]]] = {}
        for row in read_manifest(self.table):
            if row["role"] in ROLES:
                found.setdefault(row["pair"], {})[row["role"]] = row
        return found

    @cached_property
    def fused(self) -> dict[str, PublishedImages]:
        """The fused images in the repository: name of their row → title and files."""
        found: dict[str, PublishedImages] = {}
        for row in read_manifest(self.table):
            if row["role"] == "fused":
                name = re.sub("[^a-z0-9]+", "_", row["method"].lower())
                images = found.setdefault(name, PublishedImages(row["method"], {}))
                images.paths[row["pair"]] = row["path"]
        return found

    @cached_property
    def reading(self) -> tiles.Options:
        """How the files are read, as options of the adapter of folders."""
        given: dict[str, Any] = self.about.model_dump(
            include={"classes", "codes", "palette", "colours", "ignore"}, exclude_defaults=True
        )
        if self.about.classes_of:
            package = f"{__package__}.{self.about.classes_of}.classes"
            shared = vars(importlib.import_module(package))
            keys = ("classes", "codes", "palette", "colours", "ignore")
            given = {key: shared[key.upper()] for key in keys if key.upper() in shared}
        return tiles.Options(
            root="",
            rgb_bands=self.about.rgb_bands,
            infrared_band=self.about.infrared_band,
            **given,
        )

    def check_options(self, options: Mapping[str, Any]) -> Options:
        """Check the options without opening an image."""
        chosen = self._chosen(options)
        self.split(chosen)
        return chosen

    def _chosen(self, options: Mapping[str, Any]) -> Options:
        chosen: Options = check(Options, dict(options), self.folder.name)
        return chosen

    def split(self, chosen: Options) -> list[tuple[str, str]]:
        """Return (pair, split), training first."""
        names = restrict(self.folder.name, list(self.pairs), chosen.pairs, self.table)
        every = {name: self.pairs[name]["visible"].get("split", "test") for name in names}
        return divide(self.folder.name, every, chosen.train, chosen.test, self.table)

    def layout(self, options: Mapping[str, Any]) -> SceneSizes:
        """Return sizes and classes from the table, before any file is there."""
        scenes = []
        for name, split in self.split(self._chosen(options)):
            row = self.pairs[name]["visible"]
            scenes.append(Extent(name, split, int(row["height"]), int(row["width"])))
        return SceneSizes(tuple(scenes), self.reading.classes)

    def open_dataset(self, options: Mapping[str, Any]) -> Dataset:
        """Fetch the files of the chosen pairs and check every header.

        Raises:
            HarnessError: naming the files that are missing or wrong.
        """
        chosen = self._chosen(options)
        split = self.split(chosen)
        paths = {name: self._paths(name) for name, _ in split}
        places, known = _places(chosen), dataset_sources(self.SOURCES)
        files = [known[path] for path in dict.fromkeys(p for ps in paths.values() for p in ps)]
        found = fetch_all(self.folder.name, files, places)
        return Dataset(
            title=self.about.title,
            scenes=tuple(
                tiles.pair_scene(self.reading, name, part, *(found[path] for path in paths[name]))
                for name, part in split
            ),
            classes=self.reading.classes,
            palette=tiles.display_colours(self.reading),
            sources=(record_of_all(self.folder.name, files, found, places.cache),),
            notes=f"{len(split)} of {len(self.pairs)} pairs. {self.about.notes}",
        )

    def fetch_fused(
        self, name: str, pairs: Iterable[str], options: Mapping[str, Any]
    ) -> dict[str, Path]:
        """Fetch the fused images of some pairs: pair → file, for each pair that has one.

        Raises:
            HarnessError: naming the files that are missing or wrong.
        """
        paths, known = self.fused[name].paths, dataset_sources(self.SOURCES)
        sources = {pair: known[paths[pair]] for pair in pairs if pair in paths}
        title = f"{self.folder.name}, fused by {self.fused[name].title}"
        found = fetch_all(title, list(sources.values()), _places(self._chosen(options)))
        return {pair: found[source.name] for pair, source in sources.items()}

    def _paths(self, name: str) -> list[str]:
        rows = self.pairs[name]
        # One file may hold both bands.
        used = [rows["visible"], rows.get("infrared", rows["visible"])]
        if self.reading.classes and "label" in rows:
            used.append(rows["label"])
        return [row["path"] for row in used]
