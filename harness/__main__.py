"""The command line for people: `python -m harness --help`."""

import argparse

from harness.commands import fuse, methods, new_baseline, plan
from harness.stages.common import run


def main() -> None:
    """Parse the command line and run one command."""
    parser = argparse.ArgumentParser(description="Fuse pictures, plan a run, add a method.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (fuse, methods, new_baseline, plan):
        command.add_parser(commands)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    run(main)
