"""Machines that are not as ours: other users, failing disks, closed terminals, foreign packages."""

import errno
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.disk.files import atomic_path, owner_of, sha256, write_text
from harness.disk.schema import ROOT
from harness.errors import HarnessError, StorageError
from harness.fetching.first_use import FirstUseHashes
from harness.fetching.source import ExternalFile, fetch, locate
from tests.helpers.faults import NOBODY, forked

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="needs root to change user")
CONTENT = b"weights"
SHA = "3fb4e1d6a5bd3ce4c1e0c8d2ca4fc6b0b0f2ecd5e2f2d8bdc9ab4d3c4c6dcb0a"
VERSIONS = [f"python3.{minor}" for minor in (12, 13)]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


@needs_root
@pytest.mark.parametrize("umask", [0o022, 0o077])
@pytest.mark.parametrize("what", ["read", "lock", "first use"])
def test_a_cache_of_another_user_is_explained_with_file_and_owner(public, umask, what):
    """Root fills the cache with the mask; another user then needs a file of it."""
    cache = public / "resources"
    before = os.umask(umask)
    try:
        wanted = ExternalFile("a.bin", ("http://127.0.0.1:9/a.bin",), sha256="0" * 64)
        if what == "read":
            wanted = ExternalFile("a.bin", sha256="0" * 64)
        place = wanted.place(cache)
        place.parent.mkdir(parents=True)
        (place.parent / ".a.bin.lock").touch()
        FirstUseHashes(cache).record("other", "1" * 64)
        if what == "read":
            place.write_bytes(CONTENT)
    finally:
        os.umask(before)

    def ask():
        try:
            if what == "first use":
                FirstUseHashes(cache).record("a.bin", "2" * 64)
            else:
                (locate if what == "read" else fetch)(wanted, cache=cache)
        except HarnessError as error:
            print("said:", error)

    ended = forked(ask, public, user=NOBODY)
    assert ended.status == 0, ended.output
    if what == "read" and umask == 0o022:
        assert "its sha256 is" in ended.output
        return
    assert "Traceback" not in ended.output
    assert "belongs to root" in ended.output
    assert str(cache) in ended.output


def test_the_owner_is_named_only_if_it_is_another_user(tmp_path):
    assert owner_of(tmp_path) == ""
    assert owner_of(tmp_path / "nothing") == ""


class Failing(io.RawIOBase):
    """A file whose disk fails."""

    def readable(self):
        return True

    def readinto(self, _):
        raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_a_disk_that_fails_while_reading_is_reported_with_the_file(tmp_path, monkeypatch):
    path = tmp_path / "data.bin"
    path.write_bytes(CONTENT)
    monkeypatch.setattr(Path, "open", lambda *_, **__: io.BufferedReader(Failing()))
    with pytest.raises(HarnessError, match=r"data\.bin: the disk or network drive failed"):
        sha256(path)


def test_a_disk_that_fails_while_writing_leaves_the_old_file(tmp_path):
    path = tmp_path / "data.txt"
    path.write_text("old")
    failed = pytest.raises(StorageError, match=r"data\.txt: the disk or network drive failed")
    with failed, atomic_path(path) as temporary:
        temporary.write_text("half")
        raise OSError(errno.EIO, os.strerror(errno.EIO))
    assert path.read_text() == "old"
    assert [item.name for item in tmp_path.iterdir()] == ["data.txt"]


@pytest.mark.parametrize("letter", ["a", "ü", "["])
def test_names_as_long_as_the_file_system_allows_are_written(tmp_path, letter):
    count = 255 // len(letter.encode())
    path = tmp_path / (letter * count)
    write_text(path, "x")
    assert path.read_text() == "x"
    assert len(list(tmp_path.iterdir())) == 1
    run = subprocess.run(
        [sys.executable, "-m", "harness", "plan", "--configfile", letter * 300],
        check=False, capture_output=True, text=True, env=ENVIRONMENT, cwd=tmp_path,
    )  # fmt: skip
    assert run.returncode == 1
    assert len(run.stderr.splitlines()) == 1
    assert run.stderr.startswith("error: ")


def folders(tmp_path, count):
    rng = np.random.default_rng(0)
    for role in ("ir", "vi", "fused"):
        (tmp_path / role).mkdir()
        for index in range(count):
            pixels = rng.integers(0, 256, (256, 256), np.uint8)
            Image.fromarray(pixels).save(tmp_path / role / f"{index}.png")
    words = ["--infrared", "ir", "--visible", "vi", "--fused", "fused", "-o", "out.csv"]
    return [*words, "--metrics", "fmi_dct", "--threads", "1"]


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("program", ["harness", "metrics"])
def test_a_closed_terminal_ends_a_command_without_leftovers(tmp_path, program, number):
    words = folders(tmp_path, 40)
    process = subprocess.Popen(
        [sys.executable, "-m", program, "score", *words],
        # The compiled path would have finished before the signal.
        cwd=tmp_path, env={**ENVIRONMENT, "FUSION_METRICS_COMPILED": "0"},
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    time.sleep(4)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + number, said
    assert "Traceback" not in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fused", "ir", "vi"]


@pytest.mark.parametrize("words", [["metrics", "list"], ["harness", "methods"]])
def test_a_reader_that_stops_early_is_no_error(tmp_path, words):
    command = f"{sys.executable} -m {' '.join(words)} | head -1"
    run = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        check=False, capture_output=True, text=True, env=ENVIRONMENT, cwd=tmp_path,
    )  # fmt: skip
    assert (run.returncode, run.stderr) == (0, "")


def test_a_foreign_package_called_metrics_is_not_run_by_the_console_script(tmp_path):
    """`python -m metrics` runs whatever the current folder calls so; the programs do not."""
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "__init__.py").write_text("raise SystemExit('foreign code ran')\n")
    (tmp_path / "harness").mkdir()
    (tmp_path / "harness" / "__init__.py").write_text("raise SystemExit('foreign code ran')\n")
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin" / "program"
    for module, words in (("harness.__main__", ["score", "--help"]), ("metrics.cli", ["list"])):
        # What pip writes for `segfanet-bench` and `fusion-metrics`.
        script.write_text(f"from {module} import program\nprogram()\n")
        run = subprocess.run(
            [sys.executable, str(script), *words],
            check=False, capture_output=True, text=True, env=ENVIRONMENT, cwd=tmp_path,
        )  # fmt: skip
        assert run.returncode == 0, run.stderr
        assert "foreign" not in run.stdout + run.stderr


def interpreter(version):
    """Return a Python of that version, of the path or of pyenv, or None."""
    folders = [Path(folder) for folder in os.environ["PATH"].split(os.pathsep)]
    folders += sorted(Path.home().glob(f".pyenv/versions/{version.removeprefix('python')}.*/bin"))
    for folder in folders:
        program = folder / version
        # Some on the path only say that another one has to be chosen.
        if (
            os.access(program, os.X_OK)
            and not subprocess.run([program, "-c", ""], check=False, capture_output=True).returncode
        ):
            return program
    return None


@pytest.fixture(params=VERSIONS)
def later(request):
    """A later Python than ours, if one is installed."""
    found = interpreter(request.param)
    if found is None:
        pytest.skip(f"{request.param} is not installed")
    return found


def run_later(python, code, *words, **options):
    run = subprocess.run(
        [python, "-W", "error", "-c", code, *words],
        check=False, capture_output=True, text=True, env=ENVIRONMENT, **options,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_all_files_are_python_of_later_versions_too(later):
    code = (
        "import pathlib, sys\n"
        "for path in sys.stdin.read().split('\\0'):\n"
        "    compile(pathlib.Path(path).read_text('utf-8'), path, 'exec')\n"
    )
    packages = ("harness", "metrics", "reports", "segfanet", "baselines", "tests", "benchmarks")
    files = [str(path) for name in packages for path in (ROOT / name).rglob("*.py")]
    run_later(later, code, input="\0".join(files))


def test_identities_do_not_depend_on_the_version_of_python(later):
    """The hash of code is that of its tree, which later versions extend by empty fields."""
    import harness.disk.code as ours

    files = sorted((ROOT / "harness").rglob("*.py"))
    text = Path(ours.__file__).read_text(encoding="utf-8")
    start, end = text.index("def _walk("), text.index("def _targets(")
    code = (
        "import ast, hashlib, json, pathlib, sys\n"
        f"{text[start:end]}\n"
        "def digest(path):\n"
        "    parts = []\n"
        "    _walk(ast.parse(pathlib.Path(path).read_bytes()), parts, [])\n"
        "    return hashlib.sha256('\\0'.join(parts).encode()).hexdigest()\n"
        "print(json.dumps([digest(path)[:16] for path in sys.argv[1:]]))\n"
    )
    found = json.loads(run_later(later, code, *map(str, files)))
    assert found == [ours.file_digest(path) for path in files]
