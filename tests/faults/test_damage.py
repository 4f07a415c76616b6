"""Artefacts that are cut, changed by one bit, emptied or missing are named and never used."""

import shutil
import signal

import pytest

from tests.helpers.faults import (
    SEGFANET,
    STAGES,
    TOWN,
    contents,
    copy_of,
    empty,
    flip,
    kill_at_replacement,
    remove,
    stage,
    truncate,
)

TILES = TOWN / "tiles"

# Artefact → stages that read it.
READERS = {
    TILES / "train.npy": ["train"],
    TILES / "test.npy": ["fuse", "measure", "learning", "features", "report"],
    TILES / "manifest.csv": ["train", "fuse", "measure"],
    TILES / "dataset.json": ["train", "fuse"],
    TILES / "prepare.json": ["train", "fuse", "measure"],
    SEGFANET / "checkpoint.pt": ["fuse", "learning", "features"],
    SEGFANET / "training.json": ["fuse", "learning", "report"],
    SEGFANET / "fused.npy": ["measure", "learning", "report", "audit"],
    SEGFANET / "fused.json": ["measure", "learning", "tables", "complete"],
    SEGFANET / "scores.csv": ["tables", "examples", "audit", "report", "complete"],
    SEGFANET / "scores.json": ["tables", "examples", "complete"],
    SEGFANET / "held_out.csv": ["tables", "examples", "audit", "report", "complete"],
    SEGFANET / "learned.json": ["tables", "report", "complete"],
    SEGFANET / "learning.json": ["tables", "complete"],
    SEGFANET / "features.npz": ["report"],
    SEGFANET / "features.json": ["report"],
    TOWN / "examples.json": ["features"],
    TOWN / "audit.csv": ["report"],
    TOWN / "audit.json": ["report"],
}
DAMAGES = {"truncated": truncate, "bit-flipped": flip, "emptied": empty, "missing": remove}
# A stage works without these files, and says so in its output.
OPTIONAL = {"training.json", "prepare.json", "learning.json", "features.npz"}
# If weights or images of one method are not usable, its cell fails with the reason.
FAILED_CELLS = {
    *(("fuse", name) for name in ("checkpoint.pt", "training.json")),
    *(("features", name) for name in ("checkpoint.pt", "training.json", "test.npy")),
}
CASES = [
    (path, damage, stages)
    for path, stages in READERS.items()
    for damage in DAMAGES
    if not (damage == "missing" and path.name in OPTIONAL)
    # A changed digit names another tile, whose feature maps are equally valid.
    and not (damage == "bit-flipped" and path.name == "examples.json")
]


@pytest.fixture
def run(finished):
    """The finished run; files that a test damages are restored afterwards."""
    yield finished
    backup = finished / "backup"
    put_back(finished, [path.relative_to(backup) for path in backup.rglob("*") if path.is_file()])
    shutil.rmtree(backup, ignore_errors=True)


def put_back(folder, paths):
    for path in paths:
        shutil.copy2(folder / "backup" / path, folder / path)


def keep(folder, path):
    target = folder / "backup" / path
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(folder / path, target)


@pytest.mark.parametrize(
    ("path", "damage", "stages"), [pytest.param(*c, id=f"{c[0].name}-{c[1]}") for c in CASES]
)
def test_damaged_artefact_is_named_and_not_used(run, path, damage, stages):
    keep(run, path)
    DAMAGES[damage](run / path)
    before = contents_but(run, path)
    for name in stages:
        outputs = [output for output in STAGES[name][2] if (run / output).is_file()]
        for output in outputs:
            keep(run, output)
        ended = stage(name, run)
        if (name, path.name) in FAILED_CELLS:
            assert ended.status == 0, ended.output
            assert path.name in ended.output
            assert "failed: " in ended.output
            put_back(run, outputs)
            continue
        assert ended.status == 1, (name, ended.output)
        assert path.name in ended.output, ended.output
        assert "Traceback" not in ended.output, ended.output
        assert contents_but(run, path) == before


def contents_but(folder, path):
    kept = {}
    for item in sorted((folder / "results").rglob("*")):
        if item.is_file() and item != folder / path:
            kept[str(item)] = item.read_bytes()
    return kept


@pytest.mark.parametrize("damage", ["truncated", "bit-flipped", "emptied"])
def test_damaged_partial_checkpoint_is_not_continued(finished, tmp_path, damage):
    folder = copy_of(finished, tmp_path)
    before = contents(folder)
    for path in STAGES["train"][2]:
        (folder / path).unlink()
    stage("train", folder, before=kill_at_replacement(signal.SIGKILL, count=2))
    partial = folder / SEGFANET / "partial.pt"
    assert partial.is_file()
    DAMAGES[damage](partial)
    ended = stage("train", folder)
    assert ended.status == 0, ended.output
    assert "starting again" in ended.output
    assert stage("fuse", folder).status == 0
    assert contents(folder) == before


def test_killed_training_goes_on_where_it_was(finished, tmp_path):
    folder = copy_of(finished, tmp_path)
    before = contents(folder)
    for path in STAGES["train"][2]:
        (folder / path).unlink()
    stage("train", folder, before=kill_at_replacement(signal.SIGKILL, count=2))
    ended = stage("train", folder)
    assert "continuing from step 1 of 2" in ended.output
    assert stage("fuse", folder).status == 0
    assert contents(folder) == before


def test_an_audit_into_a_folder_that_is_no_data_set_is_refused(run):
    before = contents(run)
    *arguments, _ = STAGES["audit"][1]
    ended = stage("audit", run, [*arguments, "results/vilage/audit.csv"])
    assert ended.status == 1, ended.output
    assert "results/vilage/audit.csv: the folder is none of town" in ended.output
    assert contents(run) == before
