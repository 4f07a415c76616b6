"""Jobs run this checkout's code, whatever else is called like our packages."""

import csv
import os
import subprocess
import sys
import sysconfig
import venv

import pytest

from harness.disk.code import PACKAGES
from metrics.registry import PAPER
from tests.helpers.project import copy_project

pytestmark = pytest.mark.slow

TRAINED = "results/town/segfanet/seed0/scores.csv"
"""Its processes are jobs, supervised forks of them, and training processes that these start."""
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
    config = folder / "tiny.yaml"
    parallel = "train: {steps: 2, batch: 2, processes: 2}"
    config.write_text(config.read_text().replace("train: {steps: 2, batch: 1}", parallel))
    return folder


def foreign_packages(folder):
    """Write packages that are called like ours and end every program that imports them."""
    for name in PACKAGES:
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text(FOREIGN)
    return folder


def python_with_foreign_packages(folder):
    """Create an environment in which everything is installed, and foreign packages before ours."""
    venv.create(folder, symlinks=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    installed = foreign_packages(folder / "lib" / version / "site-packages")
    (installed / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin/python"


def average_gradients(checkout, directory, python=sys.executable, **environment):
    """Score two methods with the results in `directory`; return the AG of the control's tiles."""
    command = [python, "-m", "snakemake", SCORES, TRAINED, "--cores", "2"]
    command += ["--snakefile", str(checkout / "Snakefile"), "--directory", str(directory)]
    run = subprocess.run(
        [*command, "--configfile", str(checkout / "tiny.yaml")],
        # A user may well work in the folder of the results.
        cwd=directory,
        env={**os.environ, "FUSION_METRICS_COMPILED": "0", **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-3000:]
    trained, rows = (read_rows(directory / path) for path in (TRAINED, SCORES))
    # A method that fails is a table without rows.
    assert trained
    assert rows
    assert all(name in rows[0] for name in PAPER)
    return {float(row["ag"]) for row in rows}


def read_rows(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_packages_in_the_folder_of_the_results(checkout, tmp_path):
    assert average_gradients(checkout, foreign_packages(tmp_path / "results_here")) == {7.0}


def test_packages_on_pythonpath(checkout, tmp_path):
    (tmp_path / "results_here").mkdir()
    elsewhere = str(foreign_packages(tmp_path / "elsewhere"))
    found = average_gradients(checkout, tmp_path / "results_here", PYTHONPATH=elsewhere)
    assert found == {7.0}


def test_installed_packages(checkout, tmp_path):
    (tmp_path / "results_here").mkdir()
    python = python_with_foreign_packages(tmp_path / "environment")
    assert average_gradients(checkout, tmp_path / "results_here", python) == {7.0}
