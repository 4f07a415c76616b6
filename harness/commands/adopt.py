"""Give results from before there were identities theirs: `segfanet-bench adopt --help`."""

import argparse

from harness.cli import Commands, add_command
from harness.commands.configured import add_configfile

EPILOG = """\
Such a record does not state all that its result depends on. Of each result, this checks: its files
against their hashes, its configuration, the weights that it loaded, the number of its tiles, that
no image is newer than the tiles cut from it, and, by the commit in its record, that the folder of
its method or adapter is what it was. The code of the harness itself has changed since: that is not
compared. A result that passes keeps its values and gets an identity; of any other this says why
not. Values and feature maps are made again in any case, which takes minutes.

examples:
  segfanet-bench adopt --configfile config/paper.yaml
  segfanet-bench adopt --configfile config/paper.yaml --trust-code
"""


def add_parser(commands: Commands) -> None:
    """Add this command's parser."""
    summary = "check results from before records stated identities, and keep them"
    parser = add_command(commands, "adopt", run, summary, EPILOG)
    add_configfile(parser)
    parser.add_argument(
        "--trust-code",
        action="store_true",
        help="adoption also of results whose code is unknown or has changed: you know better",
    )


def run(arguments: argparse.Namespace) -> None:
    """Check every result without an identity; write its identity or say why not.

    Raises:
        HarnessError: if a result cannot be adopted, after all have been looked at.
    """
    # It loads the whole configuration, which the help of all commands does without.
    from harness.commands.upkeep import adopt_results, read_results

    adopt_results(read_results(arguments.configfile), trust_code=arguments.trust_code)
