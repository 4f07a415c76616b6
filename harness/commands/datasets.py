"""List the data sets: `segfanet-bench datasets`."""

import argparse
import ast
from pathlib import Path

from harness.cli import Commands, add_cache, add_command
from harness.disk.schema import ROOT
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
        adapter = folder / "adapter.py"
        print(f"{name}: {_title(adapter)}")
        print(f"  {_origin(name, adapter, registry.get(name, {}), arguments.cache)}")


def _title(adapter: Path) -> str:
    docstring = ast.get_docstring(ast.parse(adapter.read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n")[0].rstrip(".")


def _origin(name: str, adapter: Path, files: dict[str, ExternalFile], cache: Path) -> str:
    if files:
        present = sum((cache / file).is_file() for file in files)
        first = next(iter(files.values()))
        return (
            f"files: {present} of {len(files)} in {cache}; `segfanet-bench sources get {name}`\n"
            f"  page: {first.page}\n"
            f"  licence: {first.licence}"
        )
    card = adapter.with_name("README.md")
    if card.is_file():
        return f"files: in the repository\n  licence: see {card.relative_to(ROOT)}"
    return "files: nothing to fetch; docs/datasets.md lists its options"
