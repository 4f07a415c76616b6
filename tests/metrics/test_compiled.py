"""The compiled path gives the same bits from a cold and a warm cache, whatever ran before it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from numba.core.dispatcher import Dispatcher

from harness.disk.schema import ROOT
from metrics.fast import edges, features, fidelity, levels, similarity, sums
from tests.helpers.faults import SEGFANET, measure_arguments

KINDS = ("uint8", "float64")
MEASURE = """
import sys
import numpy as np
from metrics import score_methods

for kind in sys.argv[2:]:
    for height, width in ((48, 48), (41, 63), (131, 97), (320, 321)):
        rng = np.random.default_rng(height)
        smooth = np.cumsum(rng.normal(0, 4, (4, 2, height, width)), axis=-1)
        images = np.clip(128 + smooth + rng.normal(0, 9, smooth.shape), 0, 255)
        first, second, infrared, visible = images.round().astype(kind)
        for fused in ({"one": first}, {"one": first, "other": second}):
            table = score_methods(fused, infrared, visible, threads=int(sys.argv[1]), compiled=True)
            for method, columns in table.items():
                for name, values in columns.items():
                    print(kind, width, len(fused), method, name, *map(float.hex, values.tolist()))
"""


def python(cache, *arguments, folder="."):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache), "FUSION_METRICS_COMPILED": "1"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**environment, "PYTHONPATH": str(Path.cwd())},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout


def measured(cache, threads, *kinds):
    """Return one line per value, sorted, so that the order of the measurements does not count."""
    lines = python(cache, "-c", MEASURE, str(threads), *kinds).splitlines()
    assert len(lines) == len(kinds) * 4 * 3 * 4
    return sorted(lines)


@pytest.mark.slow
def test_values_depend_neither_on_the_cache_nor_on_what_was_measured_before(tmp_path):
    cold = measured(tmp_path / "one", 1, *KINDS)
    assert list((tmp_path / "one").rglob("*.nbc"))
    assert measured(tmp_path / "one", 3, *KINDS) == cold
    # In this cache one kind is compiled by a process that loads the rest.
    alone = measured(tmp_path / "other", 2, KINDS[1])
    assert measured(tmp_path / "other", 1, *reversed(KINDS)) == cold
    assert measured(tmp_path / "other", 1, KINDS[1]) == alone
    assert set(alone) < set(cold)


@pytest.mark.slow
def test_machine_code_belongs_to_all_files_that_it_was_made_of(tmp_path):
    """Another file with the same date and size: what was compiled before is not used."""
    shutil.copytree(ROOT / "metrics", tmp_path / "metrics", ignore=shutil.ignore_patterns("__py*"))
    call = "import numpy as np; from metrics import score; a = np.eye(48)[None] * 99"
    words = [sys.executable, "-c", f"{call}; score(a, a, a, ['sf'])"]
    cache = {"NUMBA_CACHE_DIR": str(tmp_path / "cache"), "NUMBA_DEBUG_CACHE": "1"}
    environment = {**os.environ, **cache, "FUSION_METRICS_COMPILED": "1"}

    def loaded():
        run = subprocess.run(
            words, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True
        )
        return run.stdout.count("data loaded from")

    assert not loaded()
    assert loaded()
    file = tmp_path / "metrics" / "fast" / "windows.py"
    status, text = file.stat(), file.read_text()
    file.write_text(text.replace("windows", "Windows", 1))
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert file.stat().st_size == status.st_size
    assert not loaded()


@pytest.mark.slow
def test_the_measure_stage_writes_the_same_bytes_from_cold_and_warm_caches(finished, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    table = run / SEGFANET / "scores.csv"
    written = [table.read_bytes()]
    for threads in ("1", "1", "2"):
        table.unlink()
        arguments = [*measure_arguments("segfanet", SEGFANET), "--threads", threads]
        python(tmp_path / "cache", "-P", "-m", "harness.stages.measure", *arguments, folder=run)
        written.append(table.read_bytes())
    assert written[1] == written[2] == written[3]
    defined, compiled = (
        [line.split(",")[4:] for line in text.decode().splitlines()[1:]] for text in written[:2]
    )
    np.testing.assert_allclose(np.array(compiled, float), np.array(defined, float), rtol=1e-9)


@pytest.mark.parametrize(
    "module",
    [edges, features, fidelity, levels, similarity, sums],
    ids=lambda module: module.__name__,
)
def test_compiled_functions_call_only_what_becomes_part_of_them(module: ModuleType):
    """A call that stays one is linked to whichever copy of its target was loaded first."""
    functions = {k: v for k, v in vars(module).items() if isinstance(v, Dispatcher)}
    inlined = {k for k, v in functions.items() if v.targetoptions.get("forceinline")}
    assert functions.keys() - inlined, "nothing can be called"
    for name, function in functions.items():
        called = functions.keys() & set(function.py_func.__code__.co_names)
        assert called <= inlined, f"{name} calls {called - inlined}"
