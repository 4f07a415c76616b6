"""What the command lines share: their exit statuses, and the arguments that several of them take.

Exit statuses, of every command line of the repository: 0 done; 1 the input or the run failed, with
one line on standard error; 2 the command line is wrong; 129 the terminal was closed; 130
interrupted; 143 terminated.
"""

import argparse
import gc
import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from harness.disk.files import BROKEN, FORBIDDEN, FULL, owner_of
from harness.disk.records import Asked
from harness.errors import HarnessError
from harness.machine.allocator import keep_freed_memory
from harness.machine.gpu_slots import check_device_name
from metrics.texts import printable

DIGITS = 18
"""Most digits of a whole number."""
MOST_THREADS = 1024
"""Largest number of threads; numerical libraries crash when they are asked for far more."""

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
"""Return type of `add_subparsers`; each command adds its parser to it."""


def run(main: Callable[[], None]) -> None:
    """Run a command line, and end the process with the status that the module's text lists.

    A request to terminate unwinds the program, so that it leaves no temporary files.
    """
    keep_freed_memory()
    for number in (signal.SIGTERM, signal.SIGHUP):
        # `nohup` has the closing of the terminal ignored, and so it stays.
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _terminate)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A name may hold bytes that are not text.
            stream.reconfigure(errors="backslashreplace")
    module = sys.modules["__main__"].__spec__
    if module is not None:
        # Help and error texts show this name; argparse finds it itself since Python 3.14.
        sys.argv[0] = f"python -m {module.name.removesuffix('.__main__')}"
    try:
        main()
        sys.stdout.flush()
    except HarnessError as error:
        sys.exit(f"error: {printable(error)}")
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough. Python flushes once more when it exits:
        # send that to nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        sys.exit(_explained(error))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)
    finally:
        # Python would look for unused objects several times before it exits, a third of a second
        # where torch is loaded. The system takes all memory back at once.
        gc.freeze()


def _terminate(number: int, _: object) -> None:
    raise SystemExit(128 + number)


def _explained(error: OSError) -> str:
    """Return one line about a file or disk; raise the error again if it says nothing about one.

    Without a file, the error is a fault of the program, which its traceback shows.
    """
    text = printable(error)
    if error.errno in FULL | FORBIDDEN:
        named = error.filename is not None
        whose = owner_of(Path(os.fsdecode(error.filename))) if named else ""
        return f"error: the disk refuses: {text}{whose}; free some space, or make it writable"
    if error.errno in BROKEN:
        return f"error: the disk or network drive failed: {text}; check it and run again"
    if error.filename is None:
        raise error
    return f"error: {text}"


def add_command(
    commands: Commands,
    name: str,
    action: Callable[[argparse.Namespace], None],
    summary: str,
    epilog: str = "",
) -> argparse.ArgumentParser:
    """Add a command that calls `action` with its parsed arguments; return its parser.

    Args:
        commands: commands of the program.
        name: name as it is typed.
        action: function to call.
        summary: what the command does, for the list of commands and its own help.
        epilog: text after the arguments in its help, printed line by line as given.
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
    """Add `--device` and `--threads` to a command that may compute on a GPU."""
    words = "device to compute on: auto (default), cpu, cuda or cuda:N"
    parser.add_argument("--device", type=device, default="auto", help=words)
    add_threads(parser)


def add_threads(parser: argparse.ArgumentParser) -> None:
    """Add `--threads` to a command that computes."""
    parser.add_argument(
        "--threads", type=threads, default=1, metavar="N", help="processor threads; default 1"
    )


def add_cache(parser: argparse.ArgumentParser, default: Path) -> None:
    """Add `--cache`, the folder of downloaded files."""
    words = f"folder of downloaded files; default {default}"
    parser.add_argument("--cache", type=Path, default=default, metavar="DIR", help=words)


def add_mirrors(parser: argparse.ArgumentParser, content: str) -> None:
    """Add `--mirror`, a list of folders that may hold `content`."""
    _add_folders(parser, "--mirror", f"folder that may hold {content}")


def add_asked(parser: argparse.ArgumentParser) -> None:
    """Add `--asked`, the identities that the workflow asks of a job."""
    parser.add_argument(
        "--asked",
        type=_asked,
        default=Asked(),
        metavar="JSON",
        help="identities of the records that the job makes and reads; the workflow passes them",
    )


def _asked(text: str) -> Asked:
    try:
        return Asked(**json_object(text))
    except TypeError as error:
        raise argparse.ArgumentTypeError(f"expected makes and reads, got {text!r}") from error


def add_include(parser: argparse.ArgumentParser) -> None:
    """Add `--include`, a list of folders outside the checkout."""
    _add_folders(parser, "--include", "folder outside the checkout with methods or adapters")


def _add_folders(parser: argparse.ArgumentParser, flag: str, what: str) -> None:
    words = f"{what}; may be repeated"
    parser.add_argument(flag, type=Path, action="append", default=[], metavar="DIR", help=words)


def device(text: str) -> str:
    """Parse the name of a device; raise `ArgumentTypeError` for any other text."""
    try:
        return check_device_name(text)
    except HarnessError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def positive(text: str) -> int:
    """Parse a whole number from 1; raise `ArgumentTypeError` for any other text."""
    if not (text.isascii() and text.isdecimal() and len(text) <= DIGITS and int(text)):
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, got {text!r}")
    return int(text)


def threads(text: str) -> int:
    """Parse a number of threads; raise `ArgumentTypeError` for one that no machine has."""
    count = positive(text)
    if count > MOST_THREADS:
        raise argparse.ArgumentTypeError(f"expected at most {MOST_THREADS} threads, got {count}")
    return count


def assignment(text: str) -> tuple[str, Any]:
    """Parse `KEY=VALUE`, the value as YAML; raise `ArgumentTypeError` for any other text."""
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise argparse.ArgumentTypeError(f"expected KEY=VALUE, got {text!r}")
    try:
        return key, yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise argparse.ArgumentTypeError(f"{key}: {value!r} is not YAML: {error}") from error


def json_object(text: str) -> dict[str, Any]:
    """Parse a JSON object or the file `@FILE` with one; raise `ArgumentTypeError` for others."""
    with suppress(ValueError, RecursionError):
        value = json.loads(json_text(text))
        if isinstance(value, dict):
            return value
    raise argparse.ArgumentTypeError(f"expected a JSON object, got {printable(text, 200)!r}")


def json_text(text: str) -> str:
    """Return JSON text itself, or that of the file `@FILE`, which holds what is large."""
    if not text.startswith("@"):
        return text
    try:
        return Path(text[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise argparse.ArgumentTypeError(f"{text[1:]}: cannot be read: {error}") from error
