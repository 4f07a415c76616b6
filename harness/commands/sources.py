"""External files from the command line: `python -m harness.commands.sources --help`."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.cli import add_mirrors, run
from harness.errors import HarnessError
from harness.fetching.registry import read_registry
from harness.fetching.source import CACHE, ExternalFile, access, fetch, locate
from harness.methods.spec import discover, weight_source


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
        RegisteredFile(spec.name, weight_source(item, spec.bibtex), Path("weights", spec.name))
        for spec in discover().values()
        if spec.kind != "ablation"
        for item in spec.weight_files.values()
    ]
    return sets + weights


def main(argv: Sequence[str] | None = None) -> None:
    """Show, fetch and check the files that data sets and methods take from elsewhere."""
    parser = argparse.ArgumentParser(
        description=main.__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=COMMANDS, help="what to do")
    parser.add_argument("names", nargs="*", help="data sets, methods or files; all without")
    parser.add_argument(
        "--cache", type=Path, default=CACHE, metavar="DIR", help=f"of downloads; default {CACHE}"
    )
    add_mirrors(parser, "the files")
    arguments = parser.parse_args(argv)
    if arguments.command == "get" and not arguments.names:
        parser.error("get: name a data set, a method or a file; see `list`")
    chosen = _chosen(arguments.names, needed_only=arguments.command == "get")
    COMMANDS[arguments.command](chosen, arguments.cache, arguments.mirror)


def _chosen(names: Sequence[str], *, needed_only: bool) -> list[RegisteredFile]:
    every = every_file()
    known = {item.owner for item in every} | {item.source.name for item in every}
    unknown = sorted(set(names) - known)
    if unknown:
        raise HarnessError(f"no file, data set or method {', '.join(unknown)}; see `list`")
    outer = {item.source.inside for item in every}
    return [
        item
        for item in every
        if not names
        or item.source.name in names
        or (
            item.owner in names
            and not (needed_only and (item.source.optional or item.source in outer))
        )
    ]


def show(chosen: Sequence[RegisteredFile], cache: Path, mirrors: Sequence[Path]) -> None:
    """Print what is known about each file."""
    for item in chosen:
        source = item.source
        kind = "sha256" if source.sha256 else "md5" if source.md5 else "recorded on first use"
        size = f"{source.bytes:,} bytes" if source.bytes else "size unknown"
        print(f"{item.owner}: {source.name} ({size}; {access(source)})")
        print(f"  hash: {kind} {source.sha256 or source.md5}".rstrip())
        print(f"  licence: {source.licence}")
        for url in source.urls:
            print(f"  {url}")


def where(chosen: Sequence[RegisteredFile], cache: Path, mirrors: Sequence[Path]) -> None:
    """Print where each file lies or would have to lie; its content is not looked at."""
    for item in chosen:
        places = [folder / item.source.name for folder in (cache / item.folder, *mirrors)]
        found = next((path for path in places if path.is_file()), None)
        print(f"{item.owner}: {found or f'missing: {places[0]}'}")


def get(chosen: Sequence[RegisteredFile], cache: Path, mirrors: Sequence[Path]) -> None:
    """Fetch every file that is not there yet and print where it lies.

    Raises:
        HarnessError: listing all that could not be had.
    """
    _each(chosen, lambda item: fetch(item.source, cache=cache / item.folder, mirrors=mirrors))


def verify(chosen: Sequence[RegisteredFile], cache: Path, mirrors: Sequence[Path]) -> None:
    """Check the hash of every file that is there, without any network.

    Raises:
        HarnessError: listing all that are damaged.
    """
    _each(chosen, lambda item: locate(item.source, cache=cache / item.folder, mirrors=mirrors))


def _each(chosen: Sequence[RegisteredFile], find: Callable[[RegisteredFile], Path | None]) -> None:
    problems = []
    for item in chosen:
        try:
            print(f"{item.owner}: {find(item) or f'missing: {item.source.name}'}")
        except HarnessError as error:
            problems.append(str(error))
    if problems:
        raise HarnessError("\n".join(problems))


COMMANDS: dict[str, Callable[[Sequence[RegisteredFile], Path, Sequence[Path]], None]] = {
    "list": show,
    "where": where,
    "get": get,
    "verify": verify,
}

EPILOG = """\
list prints what is known of each file: addresses, size, hash, licence. where prints the place of
each, or where it would have to lie. get fetches what is missing. verify checks the hashes of what
is there. Only get uses the network.

examples:
  python -m harness.commands.sources list
  python -m harness.commands.sources get potsdam
  python -m harness.commands.sources verify --mirror /data/zips
"""


if __name__ == "__main__":
    run(main)
