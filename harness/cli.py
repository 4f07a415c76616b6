"""What the command lines share: how they end, and the arguments that several of them take."""

import argparse
import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from harness.disk.files import FORBIDDEN, FULL
from harness.errors import HarnessError

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
"""What `add_subparsers` gives, for a command to add its parser to."""


def run(main: Callable[[], None]) -> None:
    """Run a command line; a HarnessError becomes one line and exit status 1, Ctrl-C one and 130.

    A request to terminate unwinds the program, so that it leaves no temporary files.
    """
    signal.signal(signal.SIGTERM, _terminate)
    module = sys.modules["__main__"].__spec__
    if module is not None:
        # What help and errors call the program; argparse itself knows since Python 3.14.
        sys.argv[0] = f"python -m {module.name.removesuffix('.__main__')}"
    try:
        main()
    except HarnessError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        if error.errno not in FULL | FORBIDDEN:
            raise
        sys.exit(f"error: the disk refuses: {error}; free some space, or make it writable")
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)


def _terminate(number: int, _: object) -> None:
    raise SystemExit(128 + number)


def add_command(
    commands: Commands,
    name: str,
    action: Callable[[argparse.Namespace], None],
    summary: str,
    epilog: str = "",
) -> argparse.ArgumentParser:
    """Add one of several commands of a program; return its parser.

    Args:
        commands: of the program.
        name: as it is typed.
        action: called with the parsed arguments.
        summary: what the command does, for the list of commands and its own help.
        epilog: what follows the arguments in its help, line by line as given.
    """
    parser = commands.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=action)
    return parser


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add `--device` and `--threads`, of what computes."""
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda or cuda:N")
    add_threads(parser)


def add_threads(parser: argparse.ArgumentParser) -> None:
    """Add `--threads`, of what computes on processors alone."""
    parser.add_argument("--threads", type=positive, default=1, metavar="N", help="default 1")


def add_mirrors(parser: argparse.ArgumentParser, content: str) -> None:
    """Add `--mirror`, a list of folders that may hold `content`."""
    parser.add_argument(
        "--mirror",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help=f"folder that may hold {content}; may be repeated",
    )


def add_include(parser: argparse.ArgumentParser) -> None:
    """Add `--include`, a list of folders outside the checkout."""
    parser.add_argument(
        "--include",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="folder outside the checkout with methods or adapters; may be repeated",
    )


def positive(text: str) -> int:
    """Parse a whole number from 1.

    Raises:
        ArgumentTypeError: for anything else, as argparse wants it.
    """
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, got {text!r}")
    return int(text)


def assignment(text: str) -> tuple[str, Any]:
    """Parse `KEY=VALUE`, the value as YAML reads it.

    Raises:
        ArgumentTypeError: for anything else, as argparse wants it.
    """
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise argparse.ArgumentTypeError(f"expected KEY=VALUE, got {text!r}")
    try:
        return key, yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise argparse.ArgumentTypeError(f"{key}: {value!r} is no YAML: {error}") from error


def json_object(text: str) -> dict[str, Any]:
    """Parse an argument that holds a JSON object.

    Raises:
        ArgumentTypeError: for anything else, as argparse wants it.
    """
    try:
        value = json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected a JSON object, got {text!r}") from error
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(f"expected a JSON object, got {text!r}")
    return value
