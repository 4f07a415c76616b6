"""Memory-mapped arrays do not fill the memory of a process that walks through them."""

import sys
from pathlib import Path

import numpy as np
import pytest

from harness.disk.files import release_pages

MIB = 2**20


def resident_mib():
    """Resident pages of files, which is what a memory map shows up as."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("RssFile:")[1].split()[0]) / 1024


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_released_pages_leave_memory_and_keep_what_was_written(tmp_path):
    file = tmp_path / "stack.npy"
    stack = np.lib.format.open_memmap(file, mode="w+", dtype=np.uint8, shape=(64, MIB))
    before = resident_mib()
    for index in range(64):
        stack[index] = index
    assert resident_mib() > before + 48
    release_pages(stack)
    assert resident_mib() < before + 16
    assert (stack[:, ::4096] == np.arange(64)[:, None]).all()
    assert (np.load(file)[:, ::4096] == np.arange(64)[:, None]).all()


def test_an_array_in_memory_is_left_alone():
    array = np.arange(4)
    release_pages(array)
    assert array.tolist() == [0, 1, 2, 3]
