"""The command line for people: `python -m harness --help`."""

import argparse

from harness.cli import run
from harness.commands import fuse, methods, new_baseline, plan


def main() -> None:
    """Fuse pictures, plan a run, add a method."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (fuse, methods, new_baseline, plan):
        command.add_parser(commands)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    run(main)
