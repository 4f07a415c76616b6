"""The package installed alone, as `fusion_metrics`, and its notebook."""

import os
import shutil
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import matplotlib as mpl
import nbformat
import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "docs/metrics.ipynb"


def code_cells():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    assert not any(cell.get("outputs") for cell in notebook.cells)
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def test_notebook_runs_and_plots_every_metric(monkeypatch, tmp_path):
    mpl.use("Agg")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    names = {}
    for source in code_cells():
        exec(compile(source, str(NOTEBOOK), "exec"), names)
    assert [axis.get_title()[:-2] for axis in names["axes"]] == list(names["table"]["mean"])
    assert all(len(values) == 12 for values in names["table"]["larger"].values())


def test_package_lists_what_it_holds():
    project = tomllib.loads((ROOT / "metrics/pyproject.toml").read_text(encoding="utf-8"))
    folders = {path.parent for path in (ROOT / "metrics").rglob("__init__.py")}
    packages = {
        ".".join(("fusion_metrics", *f.relative_to(ROOT / "metrics").parts)) for f in folders
    }
    assert set(project["tool"]["setuptools"]["packages"]) == packages
    names = [line.split(">=")[0] for line in project["project"]["dependencies"]]
    assert names == ["numpy", "numba", "pillow"]


@pytest.mark.slow
def test_fresh_environment_runs_the_command_and_the_notebook(tmp_path):
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv/bin/python"
    ignored = shutil.ignore_patterns("__pycache__", "build", "*.egg-info")
    shutil.copytree(ROOT / "metrics", tmp_path / "source", ignore=ignored)
    # What is imported is compiled then; that is a small part of the packages.
    install = [python, "-m", "pip", "install", "--quiet", "--no-compile", tmp_path / "source"]
    done = subprocess.run(install, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no package index: {done.stderr.splitlines()[-1]}")
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}

    def run(*words):
        return subprocess.run(
            words, cwd=tmp_path, env=kept, check=True, capture_output=True, text=True
        ).stdout

    images = np.random.default_rng(0).integers(0, 256, (3, 180, 181), dtype=np.uint8)
    for role, image in zip(("ir", "vis", "mine"), images, strict=True):
        (tmp_path / role).mkdir()
        Image.fromarray(image).save(tmp_path / role / "a.png")
    command = tmp_path / "venv/bin/fusion-metrics"
    names = [
        line.split()[0] for line in run(command, "list").split("variants")[0].split("\n")[1:-1]
    ]
    folders = ["--infrared", "ir", "--visible", "vis", "--fused", "mine", "-o", "s.csv"]
    run(command, "score", *folders, "--metrics", *names)
    ours = [sys.executable, "-m", "metrics", "score", *folders, "--metrics", *names]
    alone = (tmp_path / "s.csv").read_text().splitlines()
    subprocess.run(ours, cwd=tmp_path, env={**kept, "PYTHONPATH": str(ROOT)}, check=True)
    assert (tmp_path / "s.csv").read_text().splitlines() == alone
    plots = subprocess.run([*install[:-1], f"{tmp_path / 'source'}[plots]"], capture_output=True)
    if plots.returncode == 0:
        (tmp_path / "notebook.py").write_text("\n".join(code_cells()), encoding="utf-8")
        environment = {**kept, "MPLBACKEND": "Agg"}
        subprocess.run([python, "notebook.py"], cwd=tmp_path, env=environment, check=True)
