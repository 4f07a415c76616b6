"""Deleted results, results from before there were identities, and the status of all."""

import json
import os
import re
import subprocess
import sys

import pytest

from tests.helpers.copies import (
    MINE,
    ROWS,
    TABLES,
    TARGETS,
    config,
    replace,
    seal,
)
from tests.helpers.project import planned, snakemake

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("tiles/train.npy", {"prepare": 1}),
        ("tiles/dataset.json", {"prepare": 1}),
        ("mine/seed0/checkpoint.pt", MINE),
        ("mine/seed0/training.json", MINE),
        ("reads/seed0/fused.npy", {"fuse": 1, "measure": 1}),
        ("reads/seed0/fused.json", {"fuse": 1, "measure": 1}),
        ("reads/seed0/scores.csv", {"measure": 1}),
        ("reads/seed0/scores.json", {"measure": 1}),
    ],
)
def test_a_deleted_result_is_made_again(project, name, expected):
    (project / ROWS / name).unlink()
    assert planned(project, *TARGETS) == expected


def test_the_content_of_a_deleted_result_comes_back(project):
    path = project / ROWS / "tiles/train.npy"
    before = path.read_bytes()
    path.unlink()
    assert snakemake(project, *TABLES).returncode == 0
    assert path.read_bytes() == before
    assert planned(project, *TABLES) == {}


def command(folder, *words):
    return subprocess.run(
        [sys.executable, "-m", "harness", *words, "--configfile", "tiny.yaml"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
    )


def test_status_says_why_and_what_nothing_claims(project):
    replace(project / "baselines/mine/model.py", "0.3", "0.4")
    (project / ROWS / "old_method/seed0").mkdir(parents=True)
    (project / ROWS / "mine/seed7").mkdir()
    (project / ROWS / "average/seed0/fused.npy").unlink()
    text = command(project, "status").stdout
    assert re.search(r"mine/seed0/training.json: code: baselines/mine/model.py", text)
    assert "average/seed0/fused.json: fused.npy was deleted" in text
    assert f"{ROWS}/old_method: no row of the configuration claims it" in text
    assert f"{ROWS}/mine/seed7: no row" in text
    assert "9 results: 3 as asked for, 0 missing, 4 after others, 2 out of date" in text


def forget_identities(folder):
    """Make the records as they were before they stated an identity."""
    for path in (folder / ROWS).rglob("*.json"):
        value = json.loads(path.read_text())
        if isinstance(value, dict) and "record_sha256" in value:
            value.pop("identity")
            seal(path, value)


def test_results_without_identity_are_adopted_and_not_made_again(project):
    forget_identities(project)
    run = snakemake(project, *TARGETS, "--dry-run")
    assert run.returncode != 0
    assert "segfanet-bench adopt" in run.stdout
    first = command(project, "adopt")
    assert first.returncode == 1
    assert "does not say which code made it" in first.stdout
    second = command(project, "adopt", "--trust-code")
    assert second.returncode == 0, second.stdout + second.stderr
    assert "5 results adopted" in second.stdout
    assert planned(project, *TARGETS) == {"measure": 3}


def test_results_that_do_not_fit_are_not_adopted(project):
    forget_identities(project)
    config(project, train={"steps": 9})
    run = command(project, "adopt", "--trust-code")
    assert run.returncode == 1
    assert (
        "mine/seed0/training.json: not adopted: it was made with another configuration"
        in run.stdout
    )
    assert "recipe: steps" in run.stdout
    assert "mine/seed0/fused.json: not adopted" in run.stdout
    assert "reads/seed0/fused.json: adopted" in run.stdout
