"""Run a method's code in a separate process, so that every crash or hang has a stated reason.

The process is forked before torch is imported, which is cheap, and it dies with its parent.
"""

import ctypes
import faulthandler
import json
import os
import platform
import selectors
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from harness.errors import HarnessError, MethodFailure
from metrics.texts import printable

Heartbeat = Callable[[], None]
"""Call it after each unit of work. A method that stops calling it is considered hung."""

Work = Callable[[Heartbeat], dict[str, Any]]

RELAYED = 1 << 20
"""Number of bytes of a method's output that are copied to the log; the rest is dropped."""
QUOTED_BYTES = 300
"""Number of bytes at the end of the output from which a failure quotes the last line."""
SILENCE_SECONDS = 1800.0
"""Default number of seconds without a heartbeat after which a method is considered hung."""
REPORTED = 64 << 20
"""Number of bytes of a method's report that are kept; results and logs are small."""
POLL_SECONDS = 0.2
"""Seconds between two checks of a silent process."""
LONGEST_STEP = 0.5
"""Seconds that count at most as silence between two checks. A longer gap in the supervisor's own
clock means that it did not run: a batch system had suspended the job, and the method with it."""

USERS_PYTHONPATH = "SEGFANET_USERS_PYTHONPATH"
"""Environment variable that keeps PYTHONPATH as it was before the workflow put us first."""

DIE_WITH_PARENT, ADOPT_ORPHANS = 1, 36
"""Options of `prctl`, numbered as in Linux's <sys/prctl.h>."""


def supervise(work: Work, silence: float) -> dict[str, Any]:
    """Call `work` in a separate process and return its result.

    `work` returns a JSON object, and is considered hung after `silence` seconds without a
    heartbeat. Its output is copied to the log up to `RELAYED` bytes. Processes that it leaves
    behind are killed.

    Raises:
        MethodFailure: with the reason, if `work` raised one, crashed, was killed, ended its
            process, or hung.
        HarnessError: if `work` raised one.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    _prctl(ADOPT_ORPHANS, 1)
    before = _children()
    report, report_end = os.pipe()
    output, output_end = os.pipe()
    parent, process = os.getpid(), os.fork()
    if process == 0:
        os.close(report)
        os.close(output)
        _child(work, parent, report_end, output_end)
    os.close(report_end)
    os.close(output_end)
    watch = _Watch(process, report, output, silence)
    try:
        status = watch.until_end()
    finally:
        _kill(process, before)
        os.close(report)
        os.close(output)
    return watch.result(status)


@dataclass
class _Watch:
    """The state of the child process, as its parent sees it."""

    process: int
    report: int
    output: int
    silence: float
    received: bytearray = field(default_factory=bytearray)
    tail: bytes = b""
    relayed: int = 0
    hangs: bool = False
    silent: float = 0.0
    checked: float = field(default_factory=time.monotonic)

    def until_end(self) -> int:
        """Read the pipes until the process has ended or hangs; return its exit code."""
        with selectors.DefaultSelector() as selector:
            for pipe in (self.report, self.output):
                os.set_blocking(pipe, False)
                selector.register(pipe, selectors.EVENT_READ)
            while True:
                # Check this first: output that was written before the end is still read below.
                status = _ended(self.process)
                for key, _ in selector.select(0 if status is not None else POLL_SECONDS):
                    if not self._read(key.fd):
                        selector.unregister(key.fd)
                if status is not None:
                    self._drain()
                    return status
                if self._silence() > self.silence:
                    self.hangs = True
                    return -signal.SIGKILL
                if not selector.get_map():
                    # The process has closed its pipes: it is about to end, or the method hides.
                    time.sleep(POLL_SECONDS / 10)

    def _silence(self) -> float:
        """Return for how many seconds nothing was finished while this process ran."""
        now = time.monotonic()
        self.silent += min(now - self.checked, LONGEST_STEP)
        self.checked = now
        return self.silent

    def _drain(self) -> None:
        # A process left behind may never stop writing, so read a limited amount.
        for pipe in (self.report, self.output):
            for _ in range(REPORTED >> 16):
                if not self._read(pipe):
                    break

    def _read(self, pipe: int) -> bool:
        try:
            data = os.read(pipe, 1 << 16)
        except BlockingIOError:
            return False
        if pipe == self.report:
            self.received += data[: max(REPORTED - len(self.received), 0)]
            self.silent = 0.0
        elif data:
            self._relay(data)
        return bool(data)

    def _relay(self, data: bytes) -> None:
        self.tail = (self.tail + data)[-QUOTED_BYTES:]
        part = data[: max(RELAYED - self.relayed, 0)]
        self.relayed += len(data)
        # A line feed for a carriage return, which would let a line hide the one before.
        text = part.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
        sys.stderr.write(printable(text, RELAYED))
        if part and self.relayed >= RELAYED:
            sys.stderr.write(f"\n… output beyond {RELAYED} bytes is dropped\n")
        sys.stderr.flush()

    def result(self, status: int) -> dict[str, Any]:
        """Return the child's result, or raise the reason why there is none."""
        if self.hangs:
            raise MethodFailure(
                f"hangs: nothing finished in {self.silence:g} s; if it is only slow, "
                "raise `timeout` in the configuration"
            )
        message = self._message()
        if status == 0 and "value" in message:
            return dict(message["value"])
        if "failure" in message:
            raise MethodFailure(printable(message["failure"]))
        if "error" in message:
            raise HarnessError(printable(message["error"]))
        if len(self.received) >= REPORTED:
            raise MethodFailure(f"its report is longer than {REPORTED} bytes")
        raise MethodFailure(self._ending(status))

    def _message(self) -> dict[str, Any]:
        with suppress(ValueError):
            return dict(json.loads(bytes(self.received).rpartition(b"\n")[2]))
        return {}

    def _ending(self, status: int) -> str:
        if status == -signal.SIGKILL:
            return "killed (SIGKILL), as the system does when memory runs out"
        if status < 0:
            return f"crashed: {signal.Signals(-status).name}"
        lines = self.tail.decode("utf-8", "replace").strip().splitlines()
        last = f": {lines[-1].strip()}" if lines else ""
        return f"ended its process with exit status {status}{printable(last)}"


def _ended(process: int) -> int | None:
    """Return the exit code of a process, negative for a signal, or None while it runs."""
    state = os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    if state is None:
        return None
    return state.si_status if state.si_code == os.CLD_EXITED else -state.si_status


def _kill(process: int, before: set[int]) -> None:
    """Kill and reap a process, its group, and all children of this process not in `before`."""
    try:
        os.killpg(process, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        # The process ended before it could create a group.
        _end(process)
    _reap(process)
    # Orphans become our children, and killing one may make its children ours too.
    while left := _children() - before:
        for orphan in left:
            _end(orphan)
            _reap(orphan)


def _end(process: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


def _reap(process: int) -> None:
    with suppress(ChildProcessError):
        os.waitpid(process, 0)


def _children() -> set[int]:
    """Return the children of this process; empty if the system does not list them."""
    try:
        lists = [path.read_text() for path in Path("/proc/self/task").glob("*/children")]
    except OSError:
        return set()
    return {int(word) for text in lists for word in text.split()}


def _prctl(option: int, value: int) -> None:
    if platform.system() == "Linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def users_environment() -> dict[str, str]:
    """Return the environment with the PYTHONPATH that the user has set, for programs of others."""
    environment = dict(os.environ)
    users = environment.pop(USERS_PYTHONPATH, None)
    if users is not None:
        environment["PYTHONPATH"] = users
    return {name: value for name, value in environment.items() if value or name != "PYTHONPATH"}


def die_with_parent() -> None:
    """Let Linux kill this process when its parent ends; other systems do nothing."""
    _prctl(DIE_WITH_PARENT, signal.SIGKILL)


def _child(work: Work, parent: int, report: int, output: int) -> NoReturn:
    # Always exit here: this copy of the caller must never continue the caller's work.
    status = 1
    try:
        _detach(parent, output)
        message = _call(work, report)
        _send(report, message)
        status = 0
    except SystemExit as ending:
        code = ending.code
        status = code if isinstance(code, int) else int(code is not None)
        _send(report, {"failure": printable(f"calls sys.exit({code!r})")})
    except BaseException:
        traceback.print_exc()
    finally:
        try:
            sys.stdout.flush()
        finally:
            os._exit(status & 255)


def _call(work: Work, report: int) -> dict[str, Any]:
    def heartbeat() -> None:
        os.write(report, b".")

    try:
        return {"value": work(heartbeat)}
    except MethodFailure as failure:
        return {"failure": printable(failure)}
    except HarnessError as error:
        return {"error": printable(error)}


def _send(report: int, message: dict[str, Any]) -> None:
    rest = memoryview(b"\n" + json.dumps(message).encode())
    while rest:
        rest = rest[os.write(report, rest) :]


def _detach(parent: int, output: int) -> None:
    """Start a new session and group, close the input, and send the output to the parent."""
    os.setsid()
    die_with_parent()
    if os.getppid() != parent:
        os._exit(1)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = sys.stderr = open(1, "w", buffering=1, closefd=False)  # noqa: SIM115
    faulthandler.enable()
    with suppress(OSError):
        # Make the kernel kill this process, not its parent, when memory runs out.
        Path("/proc/self/oom_score_adj").write_text("500")
