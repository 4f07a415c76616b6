"""No file is overwritten that is read, and memory-mapped arrays do not fill the memory."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from harness.disk.files import refuse_overwriting, release_pages
from harness.errors import HarnessError

MIB = 2**20


def resident_mib():
    """Return the resident pages of files, to which memory maps belong, in MiB."""
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


@pytest.fixture
def source(tmp_path):
    """One image in an input folder."""
    path = tmp_path / "ir" / "a.png"
    path.parent.mkdir()
    path.write_bytes(b"pixels")
    return path


def spellings(source):
    """Return paths that all lead to `source`, by what they differ in."""
    folder = source.parent
    paths = {
        "itself": source,
        "dots": folder / ".." / folder.name / source.name,
        "relative": Path(os.path.relpath(source)),
        "symbolic link": folder.parent / "link.png",
        "hard link": folder.parent / "hard.png",
        "linked folder": folder.parent / "linked" / source.name,
    }
    paths["symbolic link"].symlink_to(source)
    paths["hard link"].hardlink_to(source)
    paths["linked folder"].parent.symlink_to(folder)
    upper = source.with_name("A.PNG")
    if upper.exists():
        # Only file systems that ignore letter case find the file under this name.
        paths["letter case"] = upper
    return paths


def test_an_output_that_is_an_input_is_refused_however_it_is_spelled(source):
    other = source.with_name("other.png")
    for what, path in spellings(source).items():
        for output, read in ((path, source), (source, path)):
            with pytest.raises(HarnessError, match="name another output") as error:
                refuse_overwriting([other, output], [source.parent / "b.png", read])
            assert str(output) in str(error.value), what
            assert str(read) in str(error.value), what
    assert source.read_bytes() == b"pixels"


def test_an_output_folder_that_is_an_input_folder_is_refused(source):
    folder = source.parent
    for output in (folder, folder / ".." / folder.name, folder / "sub" / ".."):
        with pytest.raises(HarnessError, match="name another output"):
            refuse_overwriting([output], [folder.parent / "vis", folder])


def test_paths_where_nothing_lies_yet_are_compared_too(tmp_path, source):
    (tmp_path / "dangling").symlink_to(tmp_path / "later.npy")
    with pytest.raises(HarnessError, match="dangling"):
        refuse_overwriting([tmp_path / "dangling"], [tmp_path / "ir" / ".." / "later.npy"])


def test_letter_case_is_ignored_where_the_comparison_ignores_it(source, monkeypatch):
    """Paths of which neither exists are compared by name, existing ones by what they are."""
    later, upper = source.with_name("later.npy"), source.with_name("LATER.npy")
    refuse_overwriting([upper], [later])
    monkeypatch.setattr("os.path.normcase", lambda path: str(path).lower())
    with pytest.raises(HarnessError, match=r"LATER\.npy.*name another output"):
        refuse_overwriting([upper], [later])
    stat = Path.stat
    monkeypatch.setattr(Path, "stat", lambda path, **_: stat(Path(str(path).lower())))
    with pytest.raises(HarnessError, match=r"A\.PNG.*name another output"):
        refuse_overwriting([source.with_name("A.PNG")], [source])
    refuse_overwriting([source.with_name("B.PNG")], [source])


def test_other_files_may_lie_beside_and_below_the_inputs(source):
    folder = source.parent
    outputs = [folder / "fused" / "a.png", folder / "scores.csv", folder.parent / "a.png"]
    refuse_overwriting([*outputs, folder / "fused"], [source, folder])
    refuse_overwriting([], [source])
    refuse_overwriting(outputs, [])
