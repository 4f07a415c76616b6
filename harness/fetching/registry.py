"""The registry of external files: `config/sources.yaml`, and the weight files of methods."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.disk.schema import ROOT, check_schema, read_yaml
from harness.errors import HarnessError
from harness.fetching.source import ExternalFile

REGISTRY = ROOT / "config" / "sources.yaml"


@dataclass(frozen=True)
class Owned:
    """A file, the data set or method that needs it, and its folder below the cache."""

    owner: str
    source: ExternalFile
    folder: Path = Path()


def every_file() -> list[Owned]:
    """List the files of all data sets, then those of all methods.

    Raises:
        HarnessError: if the registry or a method.yaml breaks its schema.
    """
    sets = [
        Owned(owner, source)
        for owner, files in read_registry().items()
        for source in files.values()
    ]
    weights = [
        Owned(owner, source, Path("weights", owner))
        for owner, files in weight_sources().items()
        for source in files.values()
    ]
    return sets + weights


def read_registry(path: Path = REGISTRY) -> dict[str, dict[str, ExternalFile]]:
    """Return the files of every data set: data set → file name → source.

    Raises:
        HarnessError: if the registry breaks its schema, names a file twice, or an archive
            that holds another file is not listed before it.
    """
    raw = read_yaml(path)
    check_schema(raw, "sources", str(path))
    return {name: _group(entry, f"{path}: {name}") for name, entry in raw.items()}


def _group(entry: Mapping[str, Any], place: str) -> dict[str, ExternalFile]:
    found: dict[str, ExternalFile] = {}
    for item in entry["files"]:
        values = {key: value for key, value in item.items() if key not in ("inside", "notes")}
        outer = item.get("inside")
        if outer is not None and outer not in found:
            raise HarnessError(f"{place}: {item['name']}: list the archive {outer!r} before it")
        if item["name"] in found:
            raise HarnessError(f"{place}: {item['name']} is listed twice")
        found[item["name"]] = ExternalFile(
            **{**values, "urls": tuple(values.get("urls", ()))},
            licence=entry["licence"],
            citation=entry["citation"],
            page=entry["page"],
            inside=found.get(outer),
        )
    return found


def dataset_sources(dataset: str) -> dict[str, ExternalFile]:
    """Return the files of one data set by their names.

    Raises:
        HarnessError: if the registry does not list the data set.
    """
    registry = read_registry()
    if dataset not in registry:
        raise HarnessError(
            f"{REGISTRY}: has no entry {dataset!r}; there are: {', '.join(registry)}"
        )
    return registry[dataset]


def weight_sources() -> dict[str, dict[str, ExternalFile]]:
    """Return the weight files that methods name: method → file name → source."""
    from harness.methods.spec import discover

    found: dict[str, dict[str, ExternalFile]] = {}
    for spec in discover().values():
        if spec.weights is None or spec.kind == "ablation":
            continue
        found[spec.name] = {
            item["file"]: weight_source(item, spec.bibtex) for item in spec.weight_files.values()
        }
    return found


def weight_source(item: Mapping[str, Any], citation: str = "") -> ExternalFile:
    """Return the source that an entry `weights` of a method.yaml describes."""
    return ExternalFile(
        name=item["file"],
        urls=(item["url"],) if item.get("url") else (),
        sha256=item["sha256"],
        bytes=item.get("bytes", 0),
        licence=item["licence"],
        citation=citation,
        page=item.get("page") or item.get("url") or "",
    )
