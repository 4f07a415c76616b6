"""Choosing the device, and the settings that make a run repeatable on it."""

import ctypes
import os
import platform
from contextlib import suppress
from functools import cache

import torch

from harness.errors import HarnessError
from harness.machine.gpu_slots import check_device_name, claim_gpu

# Numbers of glibc's <malloc.h>.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
NEVER = 2**31 - 1

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)


def choose_device(name: str) -> torch.device:
    """Turn `auto`, `cpu`, `cuda` or `cuda:1` into a device; `auto` prefers CUDA.

    Where several GPUs are visible, `auto` and `cuda` take one for this process alone, waiting
    for it if need be; `cuda:1` is taken at its word.

    Raises:
        HarnessError: for another name, or if CUDA is asked for and not there.
    """
    if check_device_name(name) in ("auto", "cuda"):
        claim_gpu()
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise HarnessError(f"device is {name!r}, but torch sees no GPU; use `auto` or `cpu`")
    return torch.device(name)


def make_deterministic(seed: int, threads: int) -> None:
    """Seed torch, fix the thread count and refuse nondeterministic kernels."""
    limit_threads(threads)
    torch.manual_seed(seed)
    # cuBLAS needs a fixed workspace to repeat its sums in the same order.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # As `use_deterministic_algorithms(True, warn_only=True)`, which would import the compiler
    # that nothing here uses: over a second a job.
    torch.set_deterministic_debug_mode("warn")
    torch.backends.cudnn.benchmark = False


def thread_limits(threads: int) -> dict[str, str]:
    """Environment that holds a process to so many threads, read when its libraries load."""
    return dict.fromkeys(THREAD_VARIABLES, str(threads))


def limit_threads(threads: int) -> None:
    """Hold torch, what loads later, and child processes to so many threads."""
    os.environ.update(thread_limits(threads))
    torch.set_num_threads(threads)
    # Refused once operators have run side by side; then this process has chosen already.
    with suppress(RuntimeError):
        torch.set_num_interop_threads(threads)


def synchronise(device: torch.device) -> None:
    """Wait for the device, so that a clock read afterwards is true."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@cache
def keep_freed_memory() -> bool:
    """Tell glibc to reuse freed blocks of any size instead of returning them to the system.

    A tensor of a few megabytes otherwise gets fresh pages at every operation, and the kernel
    fills each with zeros first: measured on one 320×320 pair, a third of LiMFusion's time and
    a fifth of UMFusion's. Peak memory stays the same; memory after the peak stays at it.

    Returns:
        Whether this took effect; it does not on another C library, and need not.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    return bool(libc.mallopt(M_MMAP_MAX, 0) and libc.mallopt(M_TRIM_THRESHOLD, NEVER))
