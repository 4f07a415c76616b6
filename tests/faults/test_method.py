"""A method that misbehaves in any way becomes a failed cell; the stage itself succeeds."""

import json
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

import harness.methods.spec
from harness.disk.records import read_record
from harness.machine.isolation import RELAYED
from tests.helpers.faults import TOWN, fuse_arguments, litter, measure_arguments, stage
from tests.helpers.project import add_method, add_method_files

OUT = TOWN / "bad/seed0"


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiles")
    assert stage("prepare", folder).status == 0
    return folder / TOWN / "tiles"


@pytest.fixture
def folder(tmp_path, tiles, monkeypatch):
    """A root for method folders, which is also the folder of a run with tiles."""
    (tmp_path / TOWN).mkdir(parents=True)
    store = tmp_path / TOWN / "tiles"
    store.mkdir()
    for path in tiles.iterdir():
        # Copy the files, because some methods below write to them.
        (store / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(harness.methods.spec, "ROOT", tmp_path)
    discover = harness.methods.spec.method_folders
    monkeypatch.setattr(harness.methods.spec, "method_folders", lambda: discover(tmp_path))
    monkeypatch.syspath_prepend(tmp_path)
    # Our `baselines` is a regular package, which hides any folder of this name that is not one,
    # and an earlier test may have imported it.
    (tmp_path / "baselines").mkdir()
    (tmp_path / "baselines/__init__.py").touch()
    for name in [name for name in sys.modules if name.split(".")[0] == "baselines"]:
        monkeypatch.delitem(sys.modules, name)
    return tmp_path


def fuse(folder, *more):
    """Run the stage for the method `bad`; return how it ended, and its record."""
    ended = stage("fuse", folder, fuse_arguments("bad", OUT, *more))
    path = folder / OUT / "fused.json"
    return ended, read_record(path) if path.exists() else None


def add(folder, *lines):
    add_method(folder, "bad", "\n        ".join([*lines, "return (infrared + visible) / 2"]))


SAYS = {
    "raises MemoryError": ("raise MemoryError('no room')", "MemoryError: no room"),
    "asks torch for too much": ("torch.empty(1 << 60)", "RuntimeError.*memory"),
    "asks numpy for too much": (
        "import numpy, resource; "
        "resource.setrlimit(resource.RLIMIT_AS, (1 << 33, 1 << 33)); numpy.ones(1 << 40)",
        "MemoryError: Unable to allocate",
    ),
    "killed by the kernel": ("import os; os.kill(os.getpid(), 9)", "killed .SIGKILL., as the sys"),
    "segfault": ("import ctypes; ctypes.string_at(0)", "crashed: SIGSEGV"),
    "abort": ("import os; os.abort()", "crashed: SIGABRT"),
    "sys.exit": ("import sys; sys.exit(3)", r"calls sys.exit\(3\)"),
    "sys.exit(0)": ("import sys; sys.exit(0)", r"calls sys.exit\(0\)"),
    "os._exit": ("import os; os._exit(3)", "ended its process with exit status 3"),
    "os._exit(0)": ("import os; os._exit(0)", "ended its process with exit status 0"),
    "KeyboardInterrupt": ("raise KeyboardInterrupt", "exit status 1: KeyboardInterrupt"),
    "closes all files": (
        "import os; os.closerange(0, 100)",
        "ended its process with exit status|tile .* OSError",
    ),
    "raises with a lone surrogate": (
        r"raise ValueError('\ud800 \x1b[31m')",
        r"ValueError: \\ud800 \\x1b\[31m",
    ),
    "raises with 200 MB": (
        "raise ValueError('x' * 200_000_000)",
        r"x … .1999\d+ characters left",
    ),
    "endless recursion": ("return self.fuse(infrared, visible)", "RecursionError"),
}


@pytest.mark.parametrize("what", SAYS)
def test_method_that_breaks_is_a_failed_cell_with_its_reason(folder, what):
    body, reason = SAYS[what]
    add(folder, body)
    ended, record = fuse(folder)
    assert ended.status == 0, ended.output
    assert record["status"] == "failed"
    assert re.search(reason, record["reason"]), record["reason"]
    assert len(np.load(folder / OUT / "fused.npy")) == 0
    assert not litter(folder)
    assert stage("measure", folder, measure_arguments("bad", OUT)).status == 0
    assert read_record(folder / OUT / "scores.json")["reason"] == record["reason"]


def test_method_that_reuses_one_output_gets_the_images_of_its_own_tiles(folder):
    body = """
        if getattr(self, "out", None) is None or self.out.shape != infrared.shape:
            self.out = torch.empty_like(infrared)
        self.out[:] = (infrared + visible) / 2
        return self.out
"""
    stacks = []
    for batch in (1, 3):
        for what in (body.strip(), "return (infrared + visible) / 2"):
            shutil.rmtree(folder / "baselines" / "bad", ignore_errors=True)
            add_method(folder, "bad", what, batch=batch)
            ended, record = fuse(folder)
            assert record["status"] == "ok", ended.output
            stacks.append(np.load(folder / OUT / "fused.npy"))
    assert len(np.unique(stacks[1], axis=0)) == len(stacks[1]) > 1
    for stack in stacks:
        np.testing.assert_array_equal(stack, stacks[1])


@pytest.mark.parametrize("dtype", ["complex64", "complex128", "int64", "uint8", "bool"])
def test_results_that_are_not_real_are_refused_by_name(folder, dtype):
    add(folder, f"return ((infrared + visible) / 2).to(torch.{dtype})")
    ended, record = fuse(folder)
    assert ended.status == 0, ended.output
    assert record["status"] == "failed"
    assert f"fuse returned torch.{dtype}, expected floating-point" in record["reason"]


HANGS = {
    "sleeps": "import time; time.sleep(1000)",
    "spins": "while True: pass",
    "ignores signals": "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(1000)",
    "stops itself": "import os; os.kill(os.getpid(), 19)",
    "closes all files and sleeps": "import os, time; os.closerange(0, 100); time.sleep(1000)",
}


@pytest.mark.parametrize("what", HANGS)
def test_method_that_hangs_is_ended_after_the_timeout(folder, what):
    add(folder, HANGS[what])
    began = time.monotonic()
    ended, record = fuse(folder, "--timeout", "0.7")
    assert time.monotonic() - began < 20
    assert ended.status == 0, ended.output
    assert "hangs: nothing finished in 0.7 s" in record["reason"]
    assert not litter(folder)


def test_slow_method_that_gets_on_is_no_hanging_one(folder):
    add(folder, "import time; time.sleep(0.4)")
    text = (folder / "baselines/bad/method.yaml").read_text()
    (folder / "baselines/bad/method.yaml").write_text(text + "batch: 8\n")
    assert fuse(folder, "--timeout", "2")[1]["status"] == "ok"


def test_reading_input_finds_none(folder):
    add(folder, "input()")
    assert "EOFError" in fuse(folder)[1]["reason"]


CHILDREN = {
    "forks": "subprocess.Popen(['sleep', '1234'])",
    "leaves its session": "subprocess.Popen(['sleep', '1234'], start_new_session=True)",
    "daemon": "subprocess.run(['sh', '-c', 'setsid sleep 1234 & echo $! > pid'])",
}


@pytest.mark.parametrize("what", CHILDREN)
@pytest.mark.parametrize("then", ["pass", "sys.exit(1)"])
def test_processes_that_a_method_leaves_behind_are_killed(folder, what, then):
    note = "pass" if what == "daemon" else "open('pid', 'w').write(str(p.pid))"
    add(folder, "import subprocess, sys", f"p = {CHILDREN[what]}", note, then)
    _, record = fuse(folder)
    assert record["reason"] == ("" if then == "pass" else "calls sys.exit(1)")
    process = int((folder / "pid").read_text())
    assert "sleep" not in command(process)


def command(process):
    try:
        return Path(f"/proc/{process}/cmdline").read_text()
    except OSError:
        return ""


def test_output_by_the_megabyte_is_bounded(folder):
    add(
        folder,
        "import sys",
        "for _ in range(300): print('x' * 10**4)",
        "sys.stderr.write('y' * 10**6)",
    )
    ended, record = fuse(folder)
    assert record["status"] == "ok"
    assert RELAYED <= len(ended.output) < RELAYED + 1000
    assert "is dropped" in ended.output


INPUT = {
    "deletes": "pathlib.Path(path).unlink()",
    "edits": "f = open(path, 'r+b'); f.seek(5000); f.write(b'changed'); f.close()",
    "adds": "open(path + '.more', 'w').close()",
}


@pytest.mark.parametrize("what", INPUT)
def test_method_that_changes_its_input_is_found_out(folder, what):
    path = folder / TOWN / "tiles/test.npy"
    add(
        folder,
        f"import pathlib; path = {str(path)!r}",
        f"if pathlib.Path(path).exists(): {INPUT[what]}",
    )
    ended, record = fuse(folder)
    assert ended.status == 0, ended.output
    assert record["status"] == "failed"
    assert "changed the tiles that it was given: test.npy" in record["reason"]
    if what != "adds":
        again, _ = fuse(folder)
        assert again.status == 1
        assert "test.npy: " in again.output


def test_global_state_that_a_method_changes_stays_its_own(folder):
    add(folder, "x = visible.clone()")
    _, plain = fuse(folder)
    shutil.rmtree(folder / "baselines/bad")
    add(
        folder,
        "import os, random, time; import numpy as np",
        "torch.manual_seed(7); np.random.seed(7); random.seed(7); torch.set_num_threads(5)",
        "torch.set_default_dtype(torch.float64); torch.set_grad_enabled(True)",
        "os.chdir('/'); os.environ.clear(); os.umask(0o777); time.time = lambda: -1.0",
        "infrared.mul_(1); visible.requires_grad_(True)",
    )
    _, wild = fuse(folder)
    assert wild["status"] == "ok", wild["reason"]
    assert wild["artefacts"] == plain["artefacts"]


COMMANDS = {
    "hangs": ("sleep 1000", "hangs"),
    "prints without end": ("yes", "hangs"),
    "killed": ("kill -9 $$", "exited with -9"),
    "deletes its input": ("cp {visible}/* {output}/; rm -r {visible} {infrared}", ""),
    "leaves a child": ("cp {visible}/* {output}/; sleep 1000 &", ""),
    "deletes its output": ("rm -r {output}", "no readable output image"),
    "writes rubbish": ("for f in {visible}/*; do echo x > {output}/$(basename $f); done", "readab"),
    "is not there": (None, "cannot be started"),
}


@pytest.mark.parametrize("what", COMMANDS)
def test_command_that_misbehaves_is_a_failed_cell(folder, what, monkeypatch):
    script, reason = COMMANDS[what]
    method = folder / "baselines/bad"
    method.mkdir(parents=True)
    words = ["sh", "-c", script] if script else ["/no/such/program"]
    (method / "method.yaml").write_text(f"name: bad\ntitle: bad\ncommand: {json.dumps(words)}\n")
    monkeypatch.setattr(tempfile, "tempdir", str(folder / "scratch"))
    (folder / "scratch").mkdir()
    ended, record = fuse(folder, "--timeout", "1.5")
    assert ended.status == 0, ended.output
    assert record["status"] == ("failed" if reason else "ok"), record["reason"]
    assert reason in record["reason"]
    assert not list((folder / "scratch").iterdir())


TRAINABLE = """\
import os
import time

import torch


class Method(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.step = 0

    def fuse(self, infrared, visible):
        return (infrared + visible) / 2

    def training_loss(self, batch):
        self.step += 1
        if self.step == 4:
            {accident}
        return {{"error": (self.weight - batch.visible).square().mean()}}
"""
ACCIDENTS = {
    "killed by the kernel": ("os.kill(os.getpid(), 9)", "killed .SIGKILL., as the system does"),
    "segfault": ("import ctypes; ctypes.string_at(0)", "crashed: SIGSEGV"),
    "os._exit": ("os._exit(3)", "ended its process with exit status 3"),
    "hangs": ("time.sleep(600)", "hangs: nothing finished in 10 s"),
    "raises MemoryError": ("raise MemoryError('no room')", "training step 3: MemoryError"),
}


def train(folder, *more):
    arguments = ["--tiles", TOWN / "tiles", "--method", "bad", "--device", "cpu"]
    arguments += ["--output", OUT / "checkpoint.pt", *more]
    ended = stage("train", folder, [str(argument) for argument in arguments])
    return ended, read_record(folder / OUT / "training.json")


@pytest.mark.parametrize("what", ACCIDENTS)
def test_training_that_breaks_is_a_failed_cell_and_goes_on_later(folder, what):
    accident, reason = ACCIDENTS[what]
    recipe = "train: {steps: 6, batch: 1, checkpoint_seconds: 0}"
    description = f"name: bad\ntitle: bad\nentry: code:Method\n{recipe}\n"
    files = {"code.py": TRAINABLE.format(accident=accident)}
    add_method_files(folder, "bad", description, files)
    ended, record = train(folder, "--timeout", "10" if what == "hangs" else "600")
    assert ended.status == 0
    assert record["status"] == "failed"
    assert re.search(reason, record["reason"])
    assert (folder / OUT / "partial.pt").is_file()
    ended, record = fuse(folder, "--checkpoint", str(OUT / "checkpoint.pt"))
    assert record["status"] == "failed"
    assert record["reason"].startswith("training failed: ")
    # The accident happens at the fourth step of a process, and the next one has only three left.
    ended, record = train(folder)
    assert record["status"] == "ok"
    assert record["details"]["steps"] == 6
    assert "continuing from step 3 of 6" in ended.output


def test_a_suspended_job_is_not_a_hanging_one(folder):
    number = folder / "method.pid"
    announced = f"open({str(number)!r}, 'w').write(str(os.getpid()))"
    add(folder, f"import os, time; {announced}; time.sleep(0.3)")
    text = (folder / "baselines/bad/method.yaml").read_text()
    (folder / "baselines/bad/method.yaml").write_text(text + "batch: 8\n")

    def suspend():
        """Stop the supervisor and the method for longer than the timeout, as Slurm does."""
        supervisor, process = os.getpid(), os.fork()
        if process:
            return
        stopped = ()
        try:
            os.setsid()
            until = time.monotonic() + 60
            while not (number.is_file() and number.read_text()):
                assert time.monotonic() < until
                time.sleep(0.02)
            # Other children, such as git, come and go.
            stopped = supervisor, int(number.read_text())
            for one in stopped:
                os.kill(one, signal.SIGSTOP)
            time.sleep(4)
        finally:
            # Whatever happened, nothing may stay suspended, as this test would wait for ever.
            for one in stopped:
                with suppress(ProcessLookupError):
                    os.kill(one, signal.SIGCONT)
            os._exit(0)

    arguments = fuse_arguments("bad", OUT, "--timeout", "2.5")
    ended = stage("fuse", folder, arguments, before=suspend)
    assert ended.status == 0, ended.output
    record = read_record(folder / OUT / "fused.json")
    assert record["status"] == "ok", record["reason"]


def test_escapes_in_the_output_of_a_method_reach_no_terminal(folder):
    add(folder, "print('\\x1b[2J\\x1b]0;x\\x07 all\\rgone \\x9b31m')")
    ended, record = fuse(folder)
    assert record["status"] == "ok"
    assert "\\x1b[2J" in ended.output
    assert not set(ended.output) & set("\x1b\x07\r\x9b")
