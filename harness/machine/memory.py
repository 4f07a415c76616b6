"""How much memory this process can still get."""

import resource
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import torch

CONTROL_GROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    (
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
    ),
)
"""Files with the limit of a container or a cluster job, and with what it uses."""


def available_bytes(device: torch.device) -> int:
    """Return the bytes that can still be allocated; `sys.maxsize` where nobody says it.

    On a GPU it is its free memory. Elsewhere it is the least of what the system has left, what
    the control group of the process may still use, and the address space that `ulimit -v` leaves.
    """
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return max(0, min(_limits()))


def _limits() -> Iterator[int]:
    yield sys.maxsize
    for path, key in (("/proc/meminfo", "MemAvailable:"), ("/proc/self/status", "VmSize:")):
        with suppress(OSError, StopIteration):
            lines = Path(path).read_text(encoding="ascii", errors="replace").splitlines()
            kibibytes = next(int(line.split()[1]) for line in lines if line.startswith(key))
            if key == "MemAvailable:":
                yield 1024 * kibibytes
            elif (limit := resource.getrlimit(resource.RLIMIT_AS)[0]) != resource.RLIM_INFINITY:
                yield limit - 1024 * kibibytes
    for most, used in CONTROL_GROUPS:
        # "max" stands for no limit.
        with suppress(OSError, ValueError):
            yield int(Path(most).read_text()) - int(Path(used).read_text())
