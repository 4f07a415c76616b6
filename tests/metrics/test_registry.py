"""The registry says enough to use a number, and costs next to nothing to import."""

import subprocess
import sys

import numpy as np
import pytest

from metrics import METRICS
from metrics.dialects import DIALECTS
from metrics.registry import PAPER, VARIANTS, find


def test_names_are_keys_and_the_paper_comes_first():
    assert tuple(METRICS)[:4] == PAPER
    for name, metric in {**METRICS, **VARIANTS}.items():
        assert name == metric.name == find(name).name
        assert metric.range[0] < metric.range[1]
        assert all((metric.title, metric.formula, metric.unit, metric.citation, metric.equals))


@pytest.mark.parametrize("name", METRICS)
def test_functions_are_documented(name):
    text = METRICS[name].function.__doc__
    assert "Args:" in text and "Returns:" in text and "Raises:" in text


def test_smaller_is_better_only_for_errors():
    assert {name for name, metric in METRICS.items() if not metric.larger_is_better} == {
        "mse",
        "nabf",
    }


def test_dialects_use_known_names():
    assert set(DIALECTS) == {"cddfuse", "linfeng_tang", "vifb", "ivif_zoo"}
    for name, dialect in DIALECTS.items():
        assert dialect.name == name
        assert set(dialect.functions) <= set(METRICS)


def test_import_loads_no_compiler_and_no_framework():
    heavy = "import sys, metrics, metrics.registry; print(*sys.modules)"
    modules = subprocess.run(
        [sys.executable, "-c", heavy], capture_output=True, check=True, text=True
    ).stdout.split()
    assert not {"numba", "torch", "scipy", "pandas", "PIL", "tqdm", "harness"} & set(modules)


def test_values_are_float64_arrays():
    image = np.random.default_rng(0).integers(0, 256, (3, 2, 176, 176), dtype=np.uint8)
    for metric in METRICS.values():
        values = metric.function(*image)
        assert values.dtype == np.float64 and values.shape == (2,)
