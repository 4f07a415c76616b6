"""Keeps freed memory in the process, so that large tensors are not cleared again and again."""

import ctypes
import platform
from functools import cache

# Numbers of glibc's <malloc.h>.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
NEVER = 2**31 - 1


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
