"""What the stages' command lines share."""

import argparse
import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.files import FORBIDDEN, FULL
from harness.supervisor import PATIENCE


def json_object(text: str) -> dict[str, Any]:
    """Parse an argument that holds a JSON object."""
    value = json.loads(text)
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(f"expected a JSON object, got {text!r}")
    return value


def method_parser(description: str) -> argparse.ArgumentParser:
    """Make the parser of a stage that runs one method on one data set with one seed."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--tiles", type=Path, required=True, help="folder of the tile store")
    parser.add_argument("--method", required=True, help="name of a method or variant")
    parser.add_argument("--options", type=json_object, default={}, help="JSON, over method.yaml's")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N")
    parser.add_argument("--threads", type=int, default=1)
    return parser


def add_timeout(parser: argparse.ArgumentParser) -> None:
    """Let a stage that supervises a method be told how patient to be."""
    parser.add_argument(
        "--timeout",
        type=float,
        default=PATIENCE,
        help="seconds without a training step or fused tile after which the method has failed",
    )


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
        sys.exit(f"error: the disk refuses: {error}")
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)


def _terminate(number: int, _: object) -> None:
    raise SystemExit(128 + number)
