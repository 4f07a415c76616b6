"""Inputs that stand for endless work: bounded, and refused with the bound."""

import os
import subprocess
import sys
import time
from argparse import ArgumentTypeError

import numpy as np
import pytest

from harness.benchmark import Benchmark
from harness.cli import threads
from harness.disk.files import walk
from harness.disk.inventory import Inventory
from harness.disk.schema import ROOT, read_yaml
from harness.errors import HarnessError
from harness.fetching.places import Places
from harness.scenes.raster import files_below
from metrics import MetricError, score
from tests.helpers.project import copy_project, snakemake

LISTS = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
LISTS += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 10)]
MERGES = ["a0: &a0 {k: 1}"]
MERGES += [f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 9)}]}}" for i in range(1, 10)]
TEXT = f"t: &t {'x' * 100_000}\nl: [{', '.join(['*t'] * 100)}]"
BOMBS = {
    "lists of lists": "\n".join(LISTS),
    "merged keys": "\n".join(MERGES),
    "a long text again and again": TEXT,
    "a list inside itself": "a: &a [*a]",
    "a mapping inside itself": "a: &a {b: *a}",
}


@pytest.mark.parametrize("what", BOMBS)
def test_a_short_file_that_stands_for_endless_values_is_refused(tmp_path, what):
    path = tmp_path / "method.yaml"
    path.write_text(BOMBS[what])
    began = time.process_time()
    with pytest.raises(HarnessError, match=r"method\.yaml: cannot be read as YAML.*stands"):
        read_yaml(path)
    assert time.process_time() - began < 10


@pytest.mark.parametrize("text", [r'"\x1b[31m"', r'"a\0b"', r'"\u202e"', r'{"\x07": 1}'])
def test_control_characters_in_yaml_are_refused(tmp_path, text):
    (tmp_path / "a.yaml").write_text(f"title: {text}")
    with pytest.raises(HarnessError, match=r"a\.yaml.*holds control characters"):
        read_yaml(tmp_path / "a.yaml")


@pytest.mark.slow
def test_a_bomb_below_free_options_stops_the_workflow(tmp_path):
    folder = copy_project(tmp_path)
    lines = [f"      {line}" for line in LISTS]
    text = (folder / "tiny.yaml").read_text()
    inside = "\n".join(["overrides:", "  average:", "    options:", *lines, ""])
    text = text.replace("overrides:\n", inside)
    (folder / "bomb.yaml").write_text(text)
    run = snakemake(folder, "--dry-run", configfile="bomb.yaml")
    assert run.returncode != 0
    assert "stands for more than" in run.stdout


def test_links_in_circles_of_every_kind_are_not_followed(tmp_path):
    """`a` and `b` lead to each other, `own` to itself, and levels of links double their paths."""
    root = tmp_path / "root"
    for name in ("a", "b"):
        (root / name).mkdir(parents=True)
        (root / name / f"{name}.tif").write_bytes(b"II*\0")
    for name, other in (("a", "b"), ("b", "a")):
        for copy in range(3):
            (root / name / f"link{copy}").symlink_to(root / other)
    (root / "own").symlink_to(root / "own")
    for level in range(20):
        (tmp_path / f"level{level}").mkdir()
        for copy in "xy":
            (tmp_path / f"level{level}" / copy).symlink_to(tmp_path / f"level{level + 1}")
    (tmp_path / "level20").mkdir()
    (tmp_path / "level20" / "deep.tif").write_bytes(b"II*\0")
    (root / "levels").symlink_to(tmp_path / "level0")
    began = time.process_time()
    assert {path.name for path in walk(root)} == {"a.tif", "b.tif", "deep.tif", "own"}
    assert {member.name for member in files_below(root)} == {"a.tif", "b.tif", "deep.tif"}
    assert Places(tmp_path / "cache").named("deep.tif", root)
    (root / "own").unlink()
    Inventory([root], tmp_path / "sources.json").content()
    assert time.process_time() - began < 20


@pytest.mark.parametrize("count", ["0", "-1", "1025", "99999999999999999999", "9" * 5000, "²", "x"])
def test_numbers_of_threads_out_of_any_sense_are_refused(count):
    with pytest.raises(ArgumentTypeError):
        threads(count)


def test_the_bounds_hold_in_every_command_and_in_the_configuration(tmp_path):
    image = np.zeros((1, 64, 64), np.uint8)
    for options in ({"threads": 10**6}, {"resize": 10**6}, {"resize": 0}, {"resize": -3}):
        with pytest.raises(MetricError, match=r"must (be|have) 1"):
            score(image, image, image, ["sf"], **options)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    fuse = ["fuse", "average", "--infrared", "a", "--visible", "b", "-o", "c"]
    for words in (fuse, ["plan", "--configfile", "none.yaml"]):
        run = subprocess.run(
            [sys.executable, "-m", "harness", *words, "--threads", "10000000"],
            check=False, capture_output=True, text=True, cwd=tmp_path, env=environment,
        )  # fmt: skip
        assert run.returncode == 2
        assert "expected at most 1024 threads" in run.stderr
    data = {"methods": ["average"], "datasets": {"landsat7": {}}, "title": "t"}
    with pytest.raises(HarnessError, match="threads: found 100000"):
        Benchmark({**data, "threads": 100000})
