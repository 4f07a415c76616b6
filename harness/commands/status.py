"""List what would run again, and why: `segfanet-bench status --help`."""

import argparse

from harness.cli import Commands, add_command
from harness.commands.configured import add_configfile

EPILOG = """\
Compares the identity in the record of every result below results/ with the one that the
configuration, the code and the inputs ask for now. Nothing is run and no result is changed. The
tables and the report follow whenever the values of a row change.

examples:
  segfanet-bench status
  segfanet-bench status --configfile config/paper.yaml
"""


def add_parser(commands: Commands) -> None:
    """Add this command's parser."""
    summary = "list results that would be made again, and why"
    add_configfile(add_command(commands, "status", run, summary, EPILOG))


def run(arguments: argparse.Namespace) -> None:
    """Print why results would be made again, and results that no row claims.

    Raises:
        HarnessError: if the configuration cannot be read or cannot work.
    """
    # It loads the whole configuration, which the help of all commands does without.
    from harness.commands.upkeep import print_status, read_results

    print_status(read_results(arguments.configfile))
