"""Jobs run this checkout's code, whatever else is called like our packages."""

import csv
import os
import subprocess
import sys

import pytest

from metrics.registry import PAPER
from tests.helpers.project import copy_project

SCORES = "results/town/average/seed0/scores.csv"
FOREIGN = 'raise SystemExit("foreign code was imported")\n'


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy whose AG is a constant; the tests' own environment has ours installed."""
    folder = copy_project(tmp_path_factory.mktemp("checkout"))
    definition = folder / "metrics" / "ag.py"
    text = definition.read_text(encoding="utf-8")
    changed = text.replace("return float(np.sqrt(rows / 2).mean())", "return 7.0")
    assert changed != text
    definition.write_text(changed, encoding="utf-8")
    return folder


def foreign_packages(folder):
    """Write packages that are called like ours and end every program that imports them."""
    for name in ("harness", "metrics", "reports"):
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text(FOREIGN)
    return folder


def average_gradients(checkout, directory, **environment):
    """Score one control with the results in `directory`; return the AG of its tiles."""
    command = [sys.executable, "-m", "snakemake", SCORES, "--cores", "1"]
    command += ["--snakefile", str(checkout / "Snakefile"), "--directory", str(directory)]
    run = subprocess.run(
        [*command, "--configfile", str(checkout / "tiny.yaml")],
        cwd=checkout,
        env={**os.environ, "FUSION_METRICS_COMPILED": "0", **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-3000:]
    with (directory / SCORES).open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert rows
    assert all(name in rows[0] for name in PAPER)
    return {float(row["ag"]) for row in rows}


def test_packages_in_the_folder_of_the_results(checkout, tmp_path):
    assert average_gradients(checkout, foreign_packages(tmp_path / "results_here")) == {7.0}


def test_packages_on_pythonpath(checkout, tmp_path):
    (tmp_path / "results_here").mkdir()
    elsewhere = str(foreign_packages(tmp_path / "elsewhere"))
    found = average_gradients(checkout, tmp_path / "results_here", PYTHONPATH=elsewhere)
    assert found == {7.0}


def test_installed_packages(checkout, tmp_path):
    (tmp_path / "results_here").mkdir()
    # Ours are installed from the folder of the tests, whose AG is another one.
    place = subprocess.run(
        [sys.executable, "-P", "-c", "import metrics; print(metrics.__file__)"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    ).stdout
    assert place
    assert str(checkout) not in place
    assert average_gradients(checkout, tmp_path / "results_here") == {7.0}
