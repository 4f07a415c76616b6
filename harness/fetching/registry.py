"""The registry of external files of data sets: `config/sources.yaml`."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from harness.disk.schema import (
    ROOT,
    Items,
    Matching,
    Model,
    Sha256,
    Text,
    check,
    read_yaml,
)
from harness.errors import HarnessError, suggest
from harness.fetching.source import ExternalFile

REGISTRY = ROOT / "config" / "sources.yaml"

FileName = Annotated[
    str, Matching("[A-Za-z0-9][A-Za-z0-9._-]*", "a file name of letters, digits, `.`, `_`, `-`")
]
Address = Annotated[str, Matching(r"https?://\S+", "an address that begins with http(s)://")]
Md5 = Annotated[str, Matching("[0-9a-f]{32}", "32 hexadecimal digits in lower case")]


class SourceEntry(Model):
    """One file of a data set."""

    name: FileName = Field(description="file name in the cache and in mirror folders")
    urls: Items[Address] = Field(
        (),
        description="addresses, tried in this order; without them the file comes from `inside` or "
        "by hand. A file of a Google Drive folder is the folder's address with `#` and its name",
    )
    sha256: Sha256 | None = Field(None, description="hash of the file")
    md5: Md5 | None = Field(None, description="hash where no sha256 is published")
    bytes: int | None = Field(None, ge=1, description="size of the file")
    password: Text | None = Field(None, description="password of a Seafile share")
    inside: str | None = Field(None, description="name of an archive that holds this file")
    optional: bool = Field(False, description="fetched only when asked for by name")
    notes: str = Field("", description="what a reader of the registry has to know")


class SourceGroup(Model):
    """The files of one data set."""

    title: Text
    licence: Text = Field(description="terms of use as far as they are stated")
    citation: Text = Field(description="what to cite")
    page: Text = Field(description="where a person finds the files")
    files: Items[SourceEntry] = Field(min_length=1)


SourcesFile = dict[str, SourceGroup]
"""The registry: data set → its files."""


def read_registry(path: Path = REGISTRY) -> dict[str, dict[str, ExternalFile]]:
    """Return the files of every data set: data set → file name → source.

    Raises:
        HarnessError: if the registry has a wrong key or value, names a file twice, or does not
            list an archive before the files that it holds.
    """
    groups = check(SourcesFile, read_yaml(path), str(path))
    return {name: _sources(group, f"{path}: {name}") for name, group in groups.items()}


def _sources(group: SourceGroup, place: str) -> dict[str, ExternalFile]:
    found: dict[str, ExternalFile] = {}
    for item in group.files:
        if item.inside is not None and item.inside not in found:
            raise HarnessError(f"{place}: {item.name}: list the archive {item.inside!r} before it")
        if item.name in found:
            raise HarnessError(f"{place}: {item.name} is listed twice")
        values = item.model_dump(exclude_none=True, exclude={"inside", "notes"})
        found[item.name] = ExternalFile(
            **values,
            licence=group.licence,
            citation=group.citation,
            page=group.page,
            inside=found[item.inside] if item.inside else None,
        )
    return found


def dataset_sources(dataset: str) -> dict[str, ExternalFile]:
    """Return the files of one data set by their names.

    Raises:
        HarnessError: if the registry does not list the data set.
    """
    registry = read_registry()
    if dataset not in registry:
        raise HarnessError(f"{REGISTRY}: no entry {dataset!r}; {suggest(dataset, registry)}")
    return registry[dataset]
