"""How the C library gives out memory again that the process has freed."""

import ctypes
import platform
from functools import cache

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Options of `mallopt`, numbered as in glibc's <malloc.h>."""
LARGEST_INT = 2**31 - 1
"""Trim threshold in bytes that a process does not reach in practice."""


@cache
def keep_freed_memory() -> bool:
    """Let glibc reuse freed blocks of any size instead of returning them to the system.

    Otherwise, an array of a few megabytes gets new pages in every operation, and the kernel
    fills each page with zeros: a third of LiMFusion's time for one 320×320 pair, and up to a third
    of the time of a metric's definition. Memory stays at its peak. Returns whether this took
    effect; other C libraries do not need it.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    return bool(libc.mallopt(M_MMAP_MAX, 0) and libc.mallopt(M_TRIM_THRESHOLD, LARGEST_INT))
