"""List the fusion methods: `segfanet-bench methods`."""

import argparse

from harness.cli import Commands, add_command, add_include
from harness.methods.spec import MethodSpec, discover
from harness.terminal import aligned


def add_parser(commands: Commands) -> None:
    """Add this command's parser."""
    summary = "list the fusion methods, their weights and options"
    add_include(add_command(commands, "methods", run, summary))


def run(arguments: argparse.Namespace) -> None:
    """Print one line per method."""
    specs = discover(arguments.include).values()
    rows = [("name", "kind", "title", "weights", "options"), *map(_row, specs)]
    print("\n".join(aligned(rows)))


def _row(spec: MethodSpec) -> tuple[str, str, str, str, str]:
    names = list(spec.weight_files)
    if spec.train is not None:
        names.append("train")
    options = " ".join(f"{key}={value}" for key, value in spec.options.items())
    return spec.name, spec.kind, spec.title, ", ".join(names) or "-", options
