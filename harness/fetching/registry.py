"""The registry of external files of data sets: `config/sources.yaml`."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from pydantic import Field, model_validator

from harness.disk.schema import (
    ROOT,
    GitBlob,
    Items,
    Matching,
    Model,
    Sha256,
    Text,
    check,
    expected,
    read_yaml,
)
from harness.errors import HarnessError, suggest
from harness.fetching.checksums import contradiction
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
    git_blob: GitBlob | None = Field(
        None, description="hash in a git repository, beside or instead of `sha256`"
    )
    md5: Md5 | None = Field(None, description="hash where no sha256 is published")
    bytes: int | None = Field(None, ge=1, description="size of the file")
    about: int | None = Field(
        None, ge=1, description="approximate size to announce, where the exact one is unknown"
    )
    at_most: int | None = Field(
        None,
        ge=1,
        description="bytes after which a download of unknown size is given up; default twice "
        "`about`, or 50 GB",
    )
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
    files: Items[SourceEntry] = Field((), description="files, one by one")
    manifest: Text | None = Field(
        None,
        description="table in the repository with one row per further file: `path`, and where they "
        "are known `bytes`, `about`, `git_blob`, `sha256`, `drive_id`, `also_at`",
    )
    addresses: Items[Address] = Field(
        (),
        description="what stands before the paths of the manifest, tried in this order; for Google "
        "Drive the folder",
    )

    @model_validator(mode="after")
    def _has_files(self) -> "SourceGroup":
        if not self.files and not self.manifest:
            raise expected("`files` or a `manifest`")
        return self


SourcesFile = dict[str, SourceGroup]
"""The registry: data set → its files."""


def read_registry(path: Path = REGISTRY) -> dict[str, dict[str, ExternalFile]]:
    """Return the files of every data set: data set → file name → source.

    Raises:
        HarnessError: if the registry has a wrong key or value, names a file twice, does not list
            an archive before the files that it holds, or states hashes that contradict each other.
    """
    found = {name: _sources(group, f"{path}: {name}") for name, group in _groups(path).items()}
    _check_hashes((f"{path}: {name}", sources) for name, sources in found.items())
    return found


def _check_hashes(groups: Iterable[tuple[str, dict[str, ExternalFile]]]) -> None:
    problem = contradiction(
        (f"{place}: {source.name}", vars(source))
        for place, sources in groups
        for source in sources.values()
    )
    if problem:
        raise HarnessError(problem)


def _groups(path: Path) -> dict[str, SourceGroup]:
    groups: dict[str, SourceGroup] = check(SourcesFile, read_yaml(path), str(path))
    return groups


def _sources(group: SourceGroup, place: str) -> dict[str, ExternalFile]:
    terms: dict[str, Any] = {
        "licence": group.licence,
        "citation": group.citation,
        "page": group.page,
    }
    found: dict[str, ExternalFile] = {}
    for item in group.files:
        if item.inside is not None and item.inside not in found:
            raise HarnessError(f"{place}: {item.name}: list the archive {item.inside!r} before it")
        if item.name in found:
            raise HarnessError(f"{place}: {item.name} is listed twice")
        values = item.model_dump(exclude_none=True, exclude={"inside", "notes"})
        inside = found[item.inside] if item.inside else None
        found[item.name] = ExternalFile(**values, **terms, inside=inside)
    for row in read_manifest(ROOT / group.manifest) if group.manifest else ():
        name = row["path"]
        if name in found:
            raise HarnessError(f"{place}: {name} is listed twice")
        found[name] = ExternalFile(
            name,
            _addresses(row, group),
            sha256=row.get("sha256", ""),
            git_blob=row.get("git_blob", ""),
            bytes=int(row.get("bytes", 0)),
            about=int(row.get("about", 0)),
            # Boxes, masks and fused images are fetched only when somebody asks for them.
            optional=row.get("role", "visible") not in ("visible", "infrared", "label"),
            **terms,
        )
    return found


def _addresses(row: Mapping[str, str], group: SourceGroup) -> tuple[str, ...]:
    if "drive_id" in row:
        return tuple(f"{folder}#{row['path']}?id={row['drive_id']}" for folder in group.addresses)
    also = row.get("also_at", "").split()
    return (*(f"{address}{quote(row['path'])}" for address in group.addresses), *also)


def read_manifest(path: Path) -> list[dict[str, str]]:
    """Return the rows of a table of files; `-` is left out.

    Raises:
        HarnessError: naming file and line, if a row is not as the heading says.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise HarnessError(f"{path}: cannot be read: {error}") from error
    rows = [
        (number, line.split("\t"))
        for number, line in enumerate(lines, 1)
        if line and not line.startswith("#")
    ]
    if not rows or "path" not in rows[0][1]:
        raise HarnessError(f"{path}: no heading with a column `path` was found")
    heading = rows[0][1]
    found = []
    for number, cells in rows[1:]:
        row = {key: cell for key, cell in zip(heading, cells, strict=False) if cell != "-"}
        if len(cells) != len(heading) or "path" not in row or not _is_sound(row):
            raise HarnessError(
                f"{path}: line {number}: found {cells}, expected one cell for each of {heading}"
            )
        found.append(row)
    return found


def _is_sound(row: Mapping[str, str]) -> bool:
    number = r"[1-9]\d*"
    kinds = {"bytes": number, "about": number, "git_blob": "[0-9a-f]{40}", "sha256": "[0-9a-f]{64}"}
    parts = row["path"].split("/")
    return not {"", ".", ".."} & set(parts) and all(
        re.fullmatch(pattern, row[key]) for key, pattern in kinds.items() if key in row
    )


def dataset_sources(dataset: str) -> dict[str, ExternalFile]:
    """Return the files of one data set by their names.

    Raises:
        HarnessError: if the registry does not list the data set, or as `read_registry`.
    """
    groups = _groups(REGISTRY)
    if dataset not in groups:
        raise HarnessError(f"{REGISTRY}: no entry {dataset!r}; {suggest(dataset, groups)}")
    place = f"{REGISTRY}: {dataset}"
    found = _sources(groups[dataset], place)
    _check_hashes([(place, found)])
    return found
