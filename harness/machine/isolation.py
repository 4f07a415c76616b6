"""Runs a method's code in a process of its own, so that whatever it does ends with a reason.

The process is forked before torch is imported, which costs nothing, and dies with its parent.
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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from harness.errors import HarnessError, MethodFailure

Heartbeat = Callable[[], None]
"""Call it after each unit of work. A method that stops calling it is considered hung."""

RELAYED = 1 << 20
"""Bytes of a method's output that reach the log; the rest is dropped."""
TAIL = 300
SILENCE_SECONDS = 1800.0
"""Default number of seconds without a heartbeat after which a method is considered hung."""
PAUSE = 0.2
"""Seconds between two looks at a silent process."""

# Numbers of Linux's <sys/prctl.h>.
DIE_WITH_PARENT, ADOPT_ORPHANS = 1, 36


def supervise(work: Callable[[Heartbeat], dict[str, Any]], patience: float) -> dict[str, Any]:
    """Call `work` in a process of its own and return what it gives.

    Its output is passed on up to a bound. Processes that it leaves behind are killed.

    Args:
        work: is handed a function to call after every finished piece; gives a JSON object.
        patience: seconds without such a call after which it counts as hanging.

    Raises:
        MethodFailure: with the reason, if `work` raised one, crashed, was killed, ended its
            process by itself, or hangs.
        HarnessError: as `work` raised it.
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
    watch = _Watch(process, report, output, patience)
    try:
        status = watch.until_end()
    finally:
        _kill(process, before)
        os.close(report)
        os.close(output)
    return watch.result(status)


@dataclass
class _Watch:
    """What the parent knows of its child."""

    process: int
    report: int
    output: int
    patience: float
    received: bytes = b""
    tail: bytes = b""
    relayed: int = 0
    hangs: bool = False
    last: float = field(default_factory=time.monotonic)

    def until_end(self) -> int:
        """Relay and listen until the process has ended or hangs; give its exit code."""
        with selectors.DefaultSelector() as selector:
            for pipe in (self.report, self.output):
                os.set_blocking(pipe, False)
                selector.register(pipe, selectors.EVENT_READ)
            while True:
                # Asked first: what was written before the end is then still read below.
                status = _ended(self.process)
                for key, _ in selector.select(0 if status is not None else PAUSE):
                    if not self._read(key.fd):
                        selector.unregister(key.fd)
                if status is not None:
                    self._drain()
                    return status
                if time.monotonic() - self.last > self.patience:
                    self.hangs = True
                    return -signal.SIGKILL
                if not selector.get_map():
                    # It has closed all pipes: about to end, or a method that hides.
                    time.sleep(PAUSE / 10)

    def _drain(self) -> None:
        # A process left behind may write for ever; what the pipe holds now is enough.
        for pipe in (self.report, self.output):
            for _ in range(RELAYED >> 16):
                if not self._read(pipe):
                    break

    def _read(self, pipe: int) -> bool:
        try:
            data = os.read(pipe, 1 << 16)
        except BlockingIOError:
            return False
        if pipe == self.report:
            self.received += data
            self.last = time.monotonic()
        elif data:
            self._relay(data)
        return bool(data)

    def _relay(self, data: bytes) -> None:
        self.tail = (self.tail + data)[-TAIL:]
        part = data[: max(RELAYED - self.relayed, 0)]
        self.relayed += len(data)
        sys.stderr.write(part.decode("utf-8", "replace"))
        if part and self.relayed >= RELAYED:
            sys.stderr.write(f"\n… output beyond {RELAYED} bytes is dropped\n")
        sys.stderr.flush()

    def result(self, status: int) -> dict[str, Any]:
        """Give what the child reported.

        Raises:
            MethodFailure: with what became of it instead.
            HarnessError: as the child raised it.
        """
        if self.hangs:
            raise MethodFailure(
                f"hangs: nothing finished in {self.patience:g} s; if it is only slow, "
                "raise `timeout` in the configuration"
            )
        message = self._message()
        if status == 0 and "value" in message:
            return dict(message["value"])
        if "failure" in message:
            raise MethodFailure(message["failure"])
        if "error" in message:
            raise HarnessError(message["error"])
        raise MethodFailure(self._ending(status))

    def _message(self) -> dict[str, Any]:
        line = self.received.rpartition(b"\n")[2]
        try:
            return dict(json.loads(line))
        except ValueError:
            return {}

    def _ending(self, status: int) -> str:
        if status == -signal.SIGKILL:
            return "killed (SIGKILL), as the system does when memory runs out"
        if status < 0:
            return f"crashed: {signal.Signals(-status).name}"
        lines = self.tail.decode("utf-8", "replace").strip().splitlines()
        last = f": {lines[-1].strip()}" if lines else ""
        return f"ended its process with exit status {status}{last}"


def _ended(process: int) -> int | None:
    """Exit code of a process, negative for a signal; None while it runs. It is not reaped."""
    state = os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    if state is None:
        return None
    return state.si_status if state.si_code == os.CLD_EXITED else -state.si_status


def _kill(process: int, before: set[int]) -> None:
    """Kill and reap a process, its group, and all children that were not there `before`."""
    try:
        os.killpg(process, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        # It had no time to make a group.
        _end(process)
    _reap(process)
    # Orphans become our children; killing one may hand us its own.
    while left := _children() - before:
        for orphan in left:
            _end(orphan)
            _reap(orphan)


def _end(process: int) -> None:
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return


def _reap(process: int) -> None:
    try:
        os.waitpid(process, 0)
    except ChildProcessError:
        return


def _children() -> set[int]:
    """Processes whose parent is this one; empty where the system does not list them."""
    try:
        lists = [path.read_text() for path in Path("/proc/self/task").glob("*/children")]
    except OSError:
        return set()
    return {int(word) for text in lists for word in text.split()}


def _prctl(option: int, value: int) -> None:
    if platform.system() == "Linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def die_with_parent() -> None:
    """Have the system kill this process when its parent ends, on Linux."""
    _prctl(DIE_WITH_PARENT, signal.SIGKILL)


def _child(
    work: Callable[[Heartbeat], dict[str, Any]], parent: int, report: int, output: int
) -> NoReturn:
    # Whatever happens, this copy of the caller must not go on where the caller does.
    status = 1
    try:
        _detach(parent, output)
        message = _call(work, report)
        os.write(report, b"\n" + json.dumps(message).encode())
        status = 0
    except SystemExit as ending:
        code = ending.code
        status = code if isinstance(code, int) else int(code is not None)
        os.write(report, b"\n" + json.dumps({"failure": f"calls sys.exit({code!r})"}).encode())
    except BaseException:
        traceback.print_exc()
    finally:
        try:
            sys.stdout.flush()
        finally:
            os._exit(status & 255)


def _call(work: Callable[[Heartbeat], dict[str, Any]], report: int) -> dict[str, Any]:
    def heartbeat() -> None:
        os.write(report, b".")

    try:
        return {"value": work(heartbeat)}
    except MethodFailure as failure:
        return {"failure": str(failure)}
    except HarnessError as error:
        return {"error": str(error)}


def _detach(parent: int, output: int) -> None:
    """Take a session and group of our own, no input, and output that goes to the parent."""
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
    _volunteer()


def _volunteer() -> None:
    """Ask to be the one that the kernel kills when memory runs out, and not our parent."""
    try:
        Path("/proc/self/oom_score_adj").write_text("500")
    except OSError:
        return
