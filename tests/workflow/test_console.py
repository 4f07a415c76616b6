"""The console of a run: on a terminal, in a pipe, with failures, and around it `make demo`."""

import fcntl
import io
import json
import logging
import os
import pty
import re
import select
import shutil
import signal
import stat
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest
import yaml
from snakemake.logging import DefaultFormatter
from snakemake.settings.types import OutputSettings
from snakemake_interface_logger_plugins.common import LogEvent

from harness.disk.schema import ROOT
from snakemake_logger_plugin_segfanet import LogHandler, LogHandlerSettings
from snakemake_logger_plugin_segfanet.console import ERASE
from snakemake_logger_plugin_segfanet.progress import Job, Progress, duration
from tests.helpers.project import add_method, copy_project
from tests.helpers.town import small_town

LINES = 60
"""A successful run prints at most so many."""
COMMAND = [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", "tiny.yaml"]
CONSOLE = ["--logger", "segfanet"]
ENVIRONMENT = {**os.environ, "FUSION_METRICS_COMPILED": "0", "TERM": "xterm", "NO_COLOR": ""}


def config(folder, methods, **more):
    value = {
        "title": "tiny",
        "device": "cpu",
        "methods": methods,
        "datasets": {
            "town": {
                "adapter": "tiles",
                "tiling": {"size": 48, "stride": 48},
                "options": {**small_town(96), "root": "images"},
            }
        },
        **more,
    }
    (folder / "tiny.yaml").write_text(yaml.safe_dump(value))


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy with 13 simple methods: 31 jobs."""
    folder = copy_project(tmp_path_factory.mktemp("console"))
    shutil.copytree(small_town(96)["root"], folder / "images")
    for number in range(13):
        add_method(folder, f"mean{number}", f"return infrared * {number / 13} + visible / 99")
    config(folder, [f"mean{number}" for number in range(13)])
    return folder


def piped(folder, *words, command=(*COMMAND, *CONSOLE)):
    """Run with a pipe; return the status and the text."""
    ended = subprocess.run(
        [*command, *words],
        cwd=folder,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=900,
    )
    return ended.returncode, ended.stdout


def on_terminal(folder, *words, width=70, interrupted_by=None):
    """Return the status of a run on a pseudo-terminal, and all that this received, as text.

    When the file `interrupted_by` appears, all processes receive SIGINT, as by Ctrl-C.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    run = subprocess.Popen(
        [*COMMAND, *CONSOLE, *words],
        cwd=folder,
        env=ENVIRONMENT,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    received = b""
    while True:
        try:
            if select.select([ours], [], [], 0.1)[0]:
                received += os.read(ours, 65536)
        except OSError:  # All other ends are closed.
            break
        if interrupted_by and interrupted_by.exists():
            os.killpg(run.pid, signal.SIGINT)
            interrupted_by = None
    os.close(ours)
    return run.wait(60), received.decode().replace("\r\n", "\n")


def left_on_screen(text):
    """Return the lines that stay, as a terminal shows them."""
    return [line.rpartition(ERASE)[2] for line in text.split("\n")]


@pytest.mark.slow
def test_a_whole_run_a_repeated_one_and_one_with_a_failed_cell(project):
    status, text = piped(project)
    assert status == 0, text
    lines = text.splitlines()
    assert len(lines) <= LINES
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text)
    planned = next(line for line in lines if "jobs:" in line)
    assert int(planned.split()[0]) >= 30
    for stage, count in (("prepare", 1), ("fuse", 13), ("measure", 13), ("report", 1)):
        assert re.search(rf"^{stage}: {count} jobs? in \d+", text, re.MULTILINE), text
    assert re.search(r"^\d+ of 3\d jobs done; about .* left", text, re.MULTILINE)
    check_table(project, text)
    assert lines[-1] == f"Report: {project / 'results/report/index.html'}"

    status, text = piped(project)
    assert status == 0
    assert "nothing to do" in text
    check_table(project, text)
    assert len(text.splitlines()) < 30

    reason = "no luck " + "x" * 200
    add_method(project, "broken", f"raise ValueError({reason!r})")
    config(project, ["mean0", "mean1", "broken"])
    status, text = on_terminal(project)
    assert status == 1
    screen = left_on_screen(text)
    assert any("fuse town/broken/seed0 failed: " in line and reason in line for line in screen)
    assert any(line.startswith("  log: logs/fuse/town.broken.seed0.log") for line in screen)
    assert any(line.startswith("    error: 1 runs failed") for line in screen)
    assert not any("--asked" in line for line in screen)
    page = (project / "results/report/index.html").as_uri()
    assert f"\x1b]8;;{page}\x1b\\{page}\x1b]8;;\x1b\\" in text
    assert next(line for line in screen if line.startswith("broken")).split()[1:] == ["failed"] * 4
    drawn = re.findall(rf"{re.escape(ERASE)}([^\x1b\n\r]*jobs done[^\x1b\n\r]*)", text)
    assert drawn
    assert all(len(line) < 70 for line in drawn)
    assert any("running: " in line for line in drawn)
    assert screen[-1] == ""


def check_table(folder, text):
    """The table of the console has the values of the table in the results."""
    (table,) = (folder / "results/tables").glob("comparison_town.csv")
    rows = [line.split(",") for line in table.read_text().splitlines()]
    column = rows[0].index("vif_ours")
    for row in rows[1:]:
        (line,) = (line for line in text.splitlines() if line.startswith(f"{row[1]} "))
        assert line.split()[-1] == f"{float(row[column]):.4f}"


@pytest.mark.slow
def test_an_interrupted_run_ends_with_whole_lines(project, tmp_path):
    folder = shutil.copytree(project, tmp_path / "copy")
    add_method(folder, "slow", "import time; open('asleep', 'w').close(); time.sleep(60)")
    config(folder, ["slow"])
    status, text = on_terminal(folder, interrupted_by=folder / "asleep")
    assert status == 1
    assert "running: fuse town/slow/seed0" in text
    screen = left_on_screen(text)
    assert screen[-1] == ""
    assert not any("jobs done" in line for line in screen)
    (left,) = (line for line in screen if "Not finished: " in line)
    assert "measure (0 of 1 done)" in left
    assert not any(line.startswith("Report: ") for line in screen)


@pytest.mark.slow
def test_a_job_that_cannot_run_shows_its_whole_log(project, tmp_path):
    folder = shutil.copytree(project, tmp_path / "copy", ignore=shutil.ignore_patterns("results"))
    config(folder, ["mean0", "mean1"])
    image = next((folder / "images/rgb").glob("*.png"))
    image.write_bytes(b"no image")
    status, text = piped(folder)
    assert status == 1
    log = folder / "logs/prepare/town.log"
    assert "prepare town failed\n  log: logs/prepare/town.log\n" in text
    assert all(f"    {line}\n" in text for line in log.read_text().splitlines())
    assert image.name in text
    assert "Not finished: fuse (0 of 2 done)" in text
    assert "Report: " not in text


def test_everything_and_dry_runs_show_the_text_of_snakemake(project):
    for words in (["--logger-segfanet-everything"], []):
        status, text = piped(project, *words, "--dry-run", "--forcerun", "prepare")
        assert status == 0
        assert "rule prepare:" in text
        assert "Job stats:" in text
        assert "Report: " not in text


class Terminal(io.StringIO):
    def isatty(self):
        return True

    def fileno(self):
        raise io.UnsupportedOperation


def record(message, event=None, level=logging.INFO, **attributes):
    made = logging.makeLogRecord({"msg": message, "levelno": level, **attributes})
    if event:
        made.event = event
    return made


def handled(monkeypatch, stream, records, settings=None):
    """Give records to the console in an empty folder; return what it writes."""
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    handler = LogHandler(OutputSettings(), settings)
    handler.setFormatter(DefaultFormatter())
    for one in records:
        handler.handle(one)
    handler.close()
    handler.close()
    return stream.getvalue()


def job(number, stage, cell, folder):
    output = folder / f"{number}.json"
    output.write_text(json.dumps({"status": "ok"}))
    started = record(
        "",
        LogEvent.JOB_INFO,
        jobid=number,
        rule_name=stage,
        wildcards={"dataset": "town", "row": cell, "seed": "0"},
        log=[f"logs/{number}.log"],
        output=[str(output)],
    )
    return started, record("", LogEvent.JOB_FINISHED, job_id=number)


def large_run(folder):
    """Yield the records of 300 jobs of 5 stages, with 40 reasons and noise between them."""
    yield record("Building DAG of jobs...")
    for number in range(40):
        yield record(f"results/{number}: recipe changed", made_again=True)
    stats = {"all": 1, **{f"stage{k}": 60 for k in range(5)}, "total": 301}
    yield record("Job stats", LogEvent.RUN_INFO, stats=stats)
    for number in range(300):
        started, ended = job(number, f"stage{number % 5}", f"row{number}", folder)
        yield from (record("Select jobs to execute..."), started, ended)


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_a_large_run_takes_few_lines(monkeypatch, tmp_path, stream):
    monkeypatch.chdir(tmp_path)
    text = handled(monkeypatch, stream(), large_run(tmp_path))
    lines = left_on_screen(text)
    assert len(lines) <= LINES - 20  # The table takes the others.
    assert "and 32 more: `segfanet-bench status` lists them" in lines
    assert "300 jobs: 60 stage0, 60 stage1, 60 stage2, 60 stage3, 60 stage4" in lines
    assert sum("60 jobs in " in line for line in lines) == 5
    assert lines[-1] == ""
    assert (ERASE in text) == (stream is Terminal)


def test_warnings_and_errors_are_shown_as_they_are(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    records = [
        record("Params are large\nand more", level=logging.WARNING),
        record(
            "Command 'python\n--asked x' returned non-zero exit status 137.", level=logging.ERROR
        ),
        record("Using shell: bash"),
    ]
    text = handled(monkeypatch, io.StringIO(), records)
    assert text == "Params are large\nand more\nThe command returned non-zero exit status 137.\n"


def test_everything_is_the_text_of_snakemake(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    settings = LogHandlerSettings(everything=True)
    text = handled(monkeypatch, io.StringIO(), [record("Using shell: bash")], settings)
    assert text == "Using shell: bash\n"


def test_a_stream_that_nobody_reads_ends_no_run(monkeypatch, tmp_path):
    class Closed(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    monkeypatch.chdir(tmp_path)
    assert handled(monkeypatch, Closed(), large_run(tmp_path)) == ""


def test_the_time_that_is_left_follows_from_what_ran():
    progress = Progress()
    progress.plan({"short": 10, "long": 2, "total": 12}, 0.0)
    assert progress.left(0.0) is None
    for number in range(10):
        progress.start(number, Job("short", {}, [], [], number * 1.0))
        progress.end(number, number + 1.0)
    progress.start(10, Job("long", {}, [], [], 10.0))
    assert progress.left(10.0) == pytest.approx(2.0)  # Nothing is known of long jobs yet.
    progress.end(10, 40.0)
    progress.start(11, Job("long", {}, [], [], 40.0))
    assert progress.left(50.0) == pytest.approx(20.0)
    assert progress.left(100.0) == 0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0 s"), (59.6, "1 min"), (95, "1 min 35 s"), (725, "12 min"), (7260, "2 h 1 min")],
)
def test_durations_are_written_in_words(seconds, text):
    assert duration(seconds) == text


def program(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IEXEC)
    return path


@pytest.fixture
def made(tmp_path):
    """A folder with our Makefile, and a Python that only notes how it is called."""
    for name in ("Makefile", "requirements.txt", "constraints.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    note = 'echo "$@" >> calls; case "$*" in *pip*) echo Collecting torch; exit ${PIP:-0};; esac'
    new = 'mkdir -p .venv/bin; cp "$0" .venv/bin/python'
    program(tmp_path / "python", f'{note}\ncase "$*" in "-m venv .venv") {new};; esac')
    return tmp_path


def make(folder, *words, **environment):
    return subprocess.run(
        ["make", f"PYTHON={folder / 'python'}", *words],
        cwd=folder,
        env={**{k: v for k, v in os.environ.items() if not k.startswith("MAKE")}, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_make_hides_the_installation_unless_it_fails(made):
    failed = make(made, "demo", PIP="3")
    assert failed.returncode != 0
    assert "Collecting torch" in failed.stdout
    assert "snakemake" not in (made / "calls").read_text()
    ended = make(made, "demo")
    assert ended.returncode == 0, ended.stdout
    assert "Collecting" not in ended.stdout
    assert len(ended.stdout.splitlines()) <= 1


def test_make_gives_everything_or_opens_the_page(made):
    for words in (["demo"], ["demo", "V=1"], ["demo", "OPEN=1"], ["demo", "V=0"], ["report"]):
        assert make(made, *words).returncode == 0
    calls = [line for line in (made / "calls").read_text().splitlines() if "snakemake" in line]
    start = "-m snakemake --cores 2 --logger segfanet"
    more = ("", " --logger-segfanet-everything", " --logger-segfanet-open", "")
    assert calls == [*(start + words for words in more), f"{start} --forcerun tables report"]


@pytest.mark.slow
def test_the_page_opens_in_the_browser(project, tmp_path):
    if not (project / "results/report/index.html").is_file():
        assert piped(project)[0] == 0
    opened = tmp_path / "opened"
    browser = program(tmp_path / "browser", f'echo "$1" > "{opened}"')
    run = subprocess.run(
        [*COMMAND, *CONSOLE, "--logger-segfanet-open"],
        cwd=project,
        env={**ENVIRONMENT, "BROWSER": f"{browser} %s"},
        capture_output=True,
        text=True,
    )
    wait_for(opened)
    assert opened.read_text().strip() == (project / "results/report/index.html").as_uri(), run


def wait_for(path: Path) -> None:
    end = time.monotonic() + 20
    while not path.is_file() and time.monotonic() < end:
        time.sleep(0.05)
