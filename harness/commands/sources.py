"""Show, fetch and check files from elsewhere: `segfanet-bench sources --help`."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path

from harness.cli import Commands, add_cache, add_command, add_mirrors
from harness.errors import HarnessError, suggest
from harness.fetching.batch import fetch_all, size_of
from harness.fetching.places import Places
from harness.fetching.registry import read_registry
from harness.fetching.source import CACHE, ExternalFile, Inspection, locate
from harness.methods.spec import discover, weight_source
from harness.scenes.adapters import adapter_folders, find_adapter


@dataclass(frozen=True)
class RegisteredFile:
    """A file, the data set or method that needs it, and its folder below the cache."""

    owner: str
    source: ExternalFile
    folder: Path = Path()


def every_file() -> list[RegisteredFile]:
    """List the files of all data sets, then the weight files of all methods.

    Raises:
        HarnessError: if the registry or a method.yaml has a wrong key or value.
    """
    sets = [
        RegisteredFile(owner, source)
        for owner, files in read_registry().items()
        for source in files.values()
    ]
    weights = [
        RegisteredFile(spec.name, weight_source(item, spec.bibtex), spec.weight_folder(item))
        for spec in discover().values()
        if spec.kind != "ablation"
        for item in spec.weight_files.values()
    ]
    return sets + weights


EPILOG = """\
Only `get` uses the network.

examples:
  segfanet-bench sources list
  segfanet-bench sources where potsdam
  segfanet-bench sources get potsdam
  segfanet-bench sources verify --mirror /data/zips
"""


def add_parser(commands: Commands) -> None:
    """Add this command's parser, which has four commands of its own."""
    summary = "list, fetch or verify files of data sets and methods"
    parser = add_command(commands, "sources", show, summary, EPILOG)
    parts = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, action, help_text, names in (
        ("list", show, "print address, size, hash and licence of each file", "*"),
        ("where", where, "print the path of each file, or the path where it is expected", "*"),
        ("get", get, "download what is missing", "+"),
        ("verify", verify, "compare the files at hand with their hashes", "*"),
    ):
        part = add_command(parts, name, action, help_text)
        default = "" if names == "+" else "; default all"
        part.add_argument("names", nargs=names, help=f"data sets, methods or files{default}")
        if action is not show:
            add_cache(part, CACHE)
            add_mirrors(part, "the files")


def show(arguments: argparse.Namespace) -> None:
    """Print what is known about each file, below the data set or method that needs it."""
    for owner, items in groupby(_chosen(arguments.names), lambda item: item.owner):
        sources = [item.source for item in items]
        print(f"{owner}: {len(sources)} files; {size_of(sources)}; licence: {sources[0].licence}")
        for source in sources:
            size = f"{source.bytes:,} bytes" if source.bytes else "size unknown"
            hashes = [f"{kind} {value}" for kind, value in source.hashes.items()]
            print(f"  {source.name} ({size}; {source.access})")
            print(f"    hash: {', '.join(hashes) or 'recorded on first use'}")
            for url in source.urls:
                print(f"    {url}")


def where(arguments: argparse.Namespace) -> None:
    """Print the path of each file, or the path where it is expected; contents are not read."""
    run = Places(arguments.cache, arguments.mirror)
    for item in _chosen(arguments.names):
        source, cache = item.source, arguments.cache / item.folder
        here = [path for path in (source.place(cache), cache / source.name) if path.is_file()]
        here += [path for folder in run.mirrors for path in run.named(source.name, folder)]
        print(f"{item.owner}: {here[0] if here else f'missing: {cache / source.name}'}")


def get(arguments: argparse.Namespace) -> None:
    """Fetch every file that is missing and print its path.

    Raises:
        HarnessError: listing all files that cannot be obtained.
    """
    problems = []
    chosen = _chosen(arguments.names, needed_only=True)
    for (owner, folder), items in groupby(chosen, lambda item: (item.owner, item.folder)):
        places = Places(arguments.cache / folder, arguments.mirror)
        try:
            sources = [item.source for item in items]
            found = fetch_all(owner, sources, places, inspect=_inspection(owner))
            print("\n".join(f"{owner}: {path}" for path in found.values()))
        except HarnessError as error:
            problems.append(str(error))
    if problems:
        raise HarnessError("\n".join(problems))


def verify(arguments: argparse.Namespace) -> None:
    """Check the hash of every file that is at hand, without the network.

    Raises:
        HarnessError: listing all files that are damaged.
    """
    problems = []
    places: dict[Path, Places] = {}
    for item in _chosen(arguments.names):
        cache = arguments.cache / item.folder
        run = places.setdefault(cache, Places(cache, arguments.mirror))
        try:
            path = locate(item.source, places=run, inspect=_inspection(item.owner))
            print(f"{item.owner}: {path or f'missing: {item.source.name}'}")
        except HarnessError as error:
            problems.append(str(error))
    if problems:
        raise HarnessError("\n".join(problems))


@cache
def _inspection(owner: str) -> Inspection | None:
    """Return what looks into the files of a data set that have no stated hash."""
    adapter = find_adapter(owner) if owner in adapter_folders() else None
    return getattr(adapter, "inspect", None)


def _chosen(names: Sequence[str], *, needed_only: bool = False) -> list[RegisteredFile]:
    every = every_file()
    known = {item.owner for item in every} | {item.source.name for item in every}
    for name in names:
        if name not in known:
            raise HarnessError(f"no file, data set or method {name!r}: {suggest(name, known)}")
    outer = {item.source.inside for item in every}

    def of_chosen_owner(item: RegisteredFile) -> bool:
        needed = not item.source.optional and item.source not in outer
        return item.owner in names and (needed or not needed_only)

    return [
        item for item in every if not names or item.source.name in names or of_chosen_owner(item)
    ]
