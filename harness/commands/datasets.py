"""List the data sets: `segfanet-bench datasets`."""

import argparse
import ast
from pathlib import Path

from harness.cli import Commands, add_cache, add_command
from harness.disk.schema import ROOT, read_yaml
from harness.fetching.registry import read_registry
from harness.fetching.source import CACHE, ExternalFile
from harness.scenes.adapters import adapter_folders


def add_parser(commands: Commands) -> None:
    """Add this command's parser."""
    parser = add_command(commands, "datasets", run, "list the data sets, their origin and licence")
    add_cache(parser, CACHE)


def run(arguments: argparse.Namespace) -> None:
    """Print title, origin and licence of each data set; adapters are not imported."""
    registry = read_registry()
    for name, folder in adapter_folders().items():
        print(f"{name}: {_title(folder)}")
        print(f"  {_origin(name, folder, registry.get(name, {}), arguments.cache)}")


def _title(folder: Path) -> str:
    adapter = folder / "adapter.py"
    if not adapter.is_file():
        return str(read_yaml(folder / "set.yaml")["title"])
    docstring = ast.get_docstring(ast.parse(adapter.read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n")[0].rstrip(".")


def _origin(name: str, folder: Path, files: dict[str, ExternalFile], cache: Path) -> str:
    if files:
        places = [(file.place(cache), cache / file.name) for file in files.values()]
        present = sum(any(path.is_file() for path in paths) for paths in places)
        first = next(iter(files.values()))
        return (
            f"files: {present} of {len(files)} in {cache}; `segfanet-bench sources get {name}`\n"
            f"  page: {first.page}\n"
            f"  licence: {first.licence}"
        )
    card = folder / "README.md"
    if card.is_file():
        return f"files: in the repository\n  licence: see {card.relative_to(ROOT)}"
    return "files: nothing to fetch; docs/datasets.md lists its options"
