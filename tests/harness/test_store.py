"""The tile store, atomic files and provenance records."""

import json
from itertools import product

import numpy as np
import pytest

from harness.disk.files import atomic_path, sha256, write_text
from harness.disk.records import Record, check_artefact
from harness.errors import HarnessError
from harness.scenes.scene import Dataset, Scene
from harness.tiles.cutting import Tiling, write_store
from harness.tiles.store import TileStore

PICTURE = np.random.default_rng(0).integers(0, 2, (5, 50, 60), dtype=np.uint8)


def read(y, x, height, width):
    return PICTURE[:, y : y + height, x : x + width]


@pytest.fixture
def folder(tmp_path):
    scenes = (Scene("a", "train", 50, 60, read), Scene("b", "test", 50, 60, read))
    write_store(
        Dataset("toy", scenes, ("x", "y"), ((0, 0, 0), (9, 9, 9))), Tiling(48, 48), tmp_path
    )
    return tmp_path


def test_store_gives_back_what_was_written(folder):
    store = TileStore(folder)
    assert store.classes == ["x", "y"]
    assert store.names("test") == [f"b_r0{row}c0{col}" for row in range(2) for col in range(2)]
    row = store.rows("test")[3]
    assert (row.scene, row.y, row.x) == ("b", 2, 12)
    expected = read(2, 12, 48, 48)
    np.testing.assert_array_equal(store.tiles("test")[3], expected)
    np.testing.assert_array_equal(store.test.infrared(slice(3, 4))[0], expected[3])


def truncate(path):
    path.write_bytes(path.read_bytes()[:-50])


def other_shape(path):
    np.save(path, np.zeros((2, 5, 48, 48), np.uint8))


def garbage(path):
    path.write_bytes(b"garbage")


def unlink(path):
    path.unlink()


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("test.npy", other_shape),
        *product(["test.npy", "manifest.csv", "dataset.json"], [truncate, garbage, unlink]),
    ],
)
def test_damaged_store_is_named_and_never_read(folder, file, damage):
    damage(folder / file)
    with pytest.raises(HarnessError, match=file if file != "manifest.csv" else "csv|npy"):
        TileStore(folder).tiles("test")


def test_failed_write_leaves_the_old_file_and_no_litter(tmp_path):
    path = tmp_path / "result.txt"
    write_text(path, "old")

    def fail():
        with atomic_path(path) as temporary:
            temporary.write_text("half")
            raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space"):
        fail()
    assert path.read_text() == "old"
    assert [item.name for item in tmp_path.iterdir()] == ["result.txt"]


def test_artefact_is_checked_against_its_record(tmp_path):
    artefact = tmp_path / "fused.npy"
    np.save(artefact, np.zeros(3))
    record = Record("fuse", {"seed": 0})
    record.details = {"note": 1}
    record.write(tmp_path / "fused.json", [artefact])
    stored = json.loads((tmp_path / "fused.json").read_text())
    assert stored["status"] == "ok"
    assert stored["artefacts"] == {"fused.npy": sha256(artefact)}
    assert stored["machine"]["cores"] >= 1
    assert stored["packages"]["torch"]
    check_artefact(stored, artefact)
    np.save(artefact, np.ones(3))
    with pytest.raises(HarnessError, match=r"fused\.npy: content differs from its record"):
        check_artefact(stored, artefact)
    artefact.unlink()
    with pytest.raises(HarnessError, match=r"fused\.npy: missing"):
        check_artefact(stored, artefact)


def test_failed_record_keeps_its_reason(tmp_path):
    record = Record("fuse", {})
    record.fail("tile a: not finite")
    record.write(tmp_path / "fused.json", [])
    stored = json.loads((tmp_path / "fused.json").read_text())
    assert (stored["status"], stored["reason"]) == ("failed", "tile a: not finite")
