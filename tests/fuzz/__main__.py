"""Gives broken input to every reader: `python -m tests.fuzz [--seconds N] [READER ...]`.

Bytes of valid files and parts of parsed values are changed. A reader may only raise the errors
that are meant for users. Any other error is an escape, and so is a reader that takes longer than
`INPUT_SECONDS` or needs more memory than `MEMORY`. An escape is printed with the smallest input
that causes it, and the exit status is 1. Each reader runs in a process of its own.
"""

import argparse
import ast
import base64
import resource
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

from harness.errors import HarnessError
from metrics.errors import MetricError
from tests.helpers.fuzz_inputs import changed_bytes, changed_value
from tests.helpers.fuzz_readers import readers

INPUT_SECONDS = 10
"""Seconds that one input may take."""
MEMORY = 8 << 30
"""Bytes of address space."""
ROUND = 200
"""Number of inputs between two looks at the clock."""


class TooSlow(Exception):
    """Raised when one input takes longer than `INPUT_SECONDS`."""


def fuzz(label, reader, folder, seconds, start):
    """Fuzz one reader for some seconds; return the number of inputs tried and the escape."""
    path = folder / reader.name
    path.parent.mkdir(parents=True, exist_ok=True)
    inputs = changed_bytes(reader.seeds)
    if reader.structured:
        inputs = inputs | changed_value(reader.seeds)
    tried = 0

    def alarm(*_):
        raise TooSlow(f"more than {INPUT_SECONDS} s")

    signal.signal(signal.SIGALRM, alarm)

    def attempt(data):
        nonlocal tried
        tried += 1
        path.write_bytes(data)
        signal.alarm(INPUT_SECONDS)
        try:
            reader.read(path)
        except (HarnessError, MetricError):
            return
        finally:
            signal.alarm(0)

    until = time.monotonic() + seconds
    while time.monotonic() < until:
        start += 1
        search = given(data=inputs)(attempt)
        search = settings(
            max_examples=ROUND, deadline=None, database=None, report_multiple_bugs=False,
            phases=[Phase.generate, Phase.shrink], suppress_health_check=list(HealthCheck),
        )(search)  # fmt: skip
        try:
            seed(start)(search)()
        except Exception as error:
            where = error.__traceback__
            while where.tb_next is not None:
                where = where.tb_next
            place = f"{where.tb_frame.f_code.co_filename}:{where.tb_lineno}"
            data = base64.b64encode(path.read_bytes()[:2000]).decode()
            return tried, f"{type(error).__name__}: {str(error)[:300]} at {place}; input {data}"
    return tried, ""


def main():
    """Fuzz the readers that are named, by default all, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("readers", nargs="*", metavar="READER")
    parser.add_argument("--seconds", type=float, default=600, help="for all readers together")
    parser.add_argument("--seed", type=int, default=0, help="seed of the inputs; default 0")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as scratch:
        known = readers(Path(scratch))
        names = arguments.readers or list(known)
        if arguments.alone:
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            (name,) = names
            result = fuzz(name, known[name], Path(scratch), arguments.seconds, arguments.seed)
            print(repr(result))
            return
    total, escapes = 0, 0
    for name in names:
        command = [sys.executable, "-m", "tests.fuzz", "--alone", name]
        command += ["--seconds", str(arguments.seconds / len(names)), "--seed", str(arguments.seed)]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        try:
            tried, escape = ast.literal_eval(run.stdout.strip().splitlines()[-1])
        except (IndexError, SyntaxError, ValueError):
            tried, escape = 0, f"ended with {run.returncode}: {run.stderr[-1000:]}"
        total += tried
        escapes += bool(escape)
        print(f"{name:<20}{tried:>9} inputs  {escape or 'no escape'}", flush=True)
    print(f"{'all':<20}{total:>9} inputs  {escapes} readers with an escape")
    sys.exit(bool(escapes))


if __name__ == "__main__":
    main()
