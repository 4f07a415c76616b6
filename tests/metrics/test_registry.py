"""The registry says enough to use a number, and costs next to nothing to import."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.stats import variation

from metrics import METRICS, score
from metrics.dialects import DIALECTS
from metrics.registry import PAPER, VARIANTS, find

ROOT = Path(__file__).resolve().parents[2]


def test_names_are_keys_and_the_paper_comes_first():
    assert tuple(METRICS)[:4] == PAPER
    for name, metric in {**METRICS, **VARIANTS}.items():
        assert name == metric.name == find(name).name
        assert metric.range[0] < metric.range[1]
        assert all((metric.title, metric.formula, metric.unit, metric.citation, metric.equals))


EVERY = {**METRICS, **VARIANTS}


@pytest.mark.parametrize("metric", EVERY.values(), ids=EVERY)
def test_definitions_are_documented(metric):
    assert metric.define.__doc__
    assert metric.arrow == ("↑" if metric.larger_is_better else "↓")
    assert metric.sign == (1 if metric.larger_is_better else -1)


def test_errors_are_better_when_smaller():
    assert not METRICS["mse"].larger_is_better
    assert not METRICS["nabf"].larger_is_better


def test_columns_keep_their_order():
    known = [
        "sf",
        "ag",
        "scd",
        "vif",
        "en",
        "sd",
        "mi",
        "nmi",
        "cc",
        "psnr",
        "mse",
        "ssim",
        "ms_ssim",
        "qabf",
        "nabf",
        "viff",
    ]
    assert [name for name in METRICS if name in known] == known


@pytest.fixture
def triple():
    return np.random.default_rng(0).integers(0, 256, (3, 2, 176, 180), dtype=np.uint8)


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("name", EVERY)
def test_what_is_defined_is_what_runs(monkeypatch, triple, name, compiled):
    before = score(*triple, names=(name,), compiled=compiled)[name]
    with monkeypatch.context() as patch:
        entry = replace(find(name), define=lambda *images: -float(images[0][0, 0]) - 7)
        patch.setitem(METRICS if name in METRICS else VARIANTS, name, entry)
        values = score(*triple, names=(name,), compiled=compiled)[name]
        assert values.tolist() == [-7.0 - pixel for pixel in triple[0, :, 0, 0]]
    after = score(*triple, names=(name,), compiled=compiled)[name]
    np.testing.assert_array_equal(after, before)


def test_compiled_path_stays_only_with_its_definition():
    entry = METRICS["ag"]
    assert replace(entry, title="Slope").fast is entry.fast is not None
    assert replace(entry, define=METRICS["sf"].define).fast is None
    assert replace(replace(entry, title="Slope"), define=METRICS["sf"].define).fast is None
    assert replace(entry, define=METRICS["sf"].define, fast=METRICS["sf"].fast).fast is not None


def test_compiled_path_of_an_entry_is_what_runs(monkeypatch, triple):
    monkeypatch.setitem(METRICS, "en", replace(METRICS["en"], fast=lambda pair: -3.0))
    assert score(*triple, names=("en",), compiled=True)["en"].tolist() == [-3, -3]
    assert score(*triple, names=("en",), compiled=False)["en"].min() > 0


def copied_package(folder, files):
    """Copy the package `metrics` to a folder and add modules to it; give the environment."""
    shutil.copytree(
        ROOT / "metrics", folder / "metrics", ignore=shutil.ignore_patterns("__pycache__")
    )
    for name, text in files.items():
        (folder / "metrics" / name).write_text(text, encoding="utf-8")
    return {**os.environ, "PYTHONPATH": str(folder), "FUSION_METRICS_COMPILED": "0"}


def listing(folder, files):
    return subprocess.run(
        [sys.executable, "-m", "metrics", "list"],
        cwd=folder,
        env=copied_package(folder, files),
        capture_output=True,
        text=True,
    )


def test_module_without_a_metric_is_named(tmp_path):
    error = listing(tmp_path, {"helper.py": "SIZE = 3\n"}).stderr
    assert "metrics/helper.py: found no METRIC" in error and "metrics/shared" in error


def test_name_that_is_taken_is_named_with_both_files(tmp_path):
    error = listing(tmp_path, {"again.py": "from metrics.sf import METRIC\n"}).stderr
    assert "metrics/sf.py: the metric 'sf' is already declared by" in error
    assert "metrics/again.py" in error


def test_metric_of_the_page_is_measured(tmp_path):
    """`docs/add-a-metric.md` shows one file, which is all that a new metric takes."""
    page = (ROOT / "docs/add-a-metric.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    found = listing(tmp_path, {"contrast.py": code}).stdout.split("variants")[0].split("\n")
    assert [line.split()[0] for line in found[1:-1]] == [*METRICS, "contrast"]
    images = np.random.default_rng(0).integers(0, 256, (3, 60, 60), dtype=np.uint8)
    for role, image in zip(("ir", "vis", "mine"), images, strict=True):
        (tmp_path / role).mkdir()
        Image.fromarray(image).save(tmp_path / role / "a.png")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    for line in re.findall(r"^python -m metrics .*", page, re.MULTILINE):
        words = [sys.executable, *shlex.split(line)[1:]]
        subprocess.run(words, cwd=tmp_path, env=environment, check=True, capture_output=True)
    header, row = (tmp_path / "scores.csv").read_text().splitlines()
    assert header == "method,image,contrast"
    assert float(row.split(",")[-1]) == pytest.approx(variation(images[2].astype(float), axis=None))


def test_dialects_use_known_names():
    assert set(DIALECTS) == {"cddfuse", "linfeng_tang", "vifb", "ivif_zoo"}
    for name, dialect in DIALECTS.items():
        assert dialect.name == name
        assert set(dialect.metrics) <= set(METRICS)


def test_import_loads_no_compiler_and_no_framework():
    heavy = "import sys, metrics, metrics.registry; print(*sys.modules)"
    modules = subprocess.run(
        [sys.executable, "-c", heavy], capture_output=True, check=True, text=True
    ).stdout.split()
    assert not {"numba", "torch", "scipy", "pandas", "PIL", "tqdm", "harness"} & set(modules)


def test_values_are_float64_arrays():
    image = np.random.default_rng(0).integers(0, 256, (3, 2, 176, 176), dtype=np.uint8)
    for metric in METRICS.values():
        values = metric.measure(*image)
        assert values.dtype == np.float64 and values.shape == (2,)
