"""The program `segfanet-bench`, also `python -m harness`: one subcommand per task of a person."""

import argparse
from collections.abc import Sequence

from harness import cli
from harness.commands import (
    adopt,
    datasets,
    fuse,
    methods,
    new_baseline,
    plan,
    score,
    sources,
    status,
)

# In the order in which a user meets them; `--help` lists them so.
COMMANDS = (methods, fuse, score, datasets, sources, plan, status, adopt, new_baseline)

EPILOG = """\
examples:
  segfanet-bench methods
  segfanet-bench fuse ydtr --infrared ir.png --visible rgb.png -o fused.png
  segfanet-bench score --infrared ir/ --visible rgb/ --fused fused/ -o scores.csv
  segfanet-bench plan --configfile config/paper.yaml

`segfanet-bench COMMAND --help` explains one command. The benchmark itself is run by `snakemake`:
see README.md. Exit status: 0 done, 1 failed, 2 wrong command line, 130 interrupted.
"""


class _Contents(argparse.RawDescriptionHelpFormatter):
    """Help that reads like a table of contents: one line per command."""

    def add_argument(self, action: argparse.Action) -> None:
        super().add_argument(action)
        # argparse forgets that commands are indented, and breaks the line after the longest one.
        self._action_max_length = max(self._action_max_length, 16)


def main(words: Sequence[str] | None = None) -> None:
    """Fuse images, score them, and prepare a run of the benchmark.

    Without `words`, those of the process are taken. Wrong words, and those that ask for help, end
    the process; a command that fails raises `HarnessError`.
    """
    title = (main.__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(description=title, epilog=EPILOG, formatter_class=_Contents)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_parser(commands)
    arguments = parser.parse_args(words)
    arguments.run(arguments)


def program() -> None:
    """Run the console script `segfanet-bench`."""
    cli.run(main)


if __name__ == "__main__":
    program()
