"""The command lines: their help, their exit statuses, and the arguments that several take."""

import importlib
import os
import subprocess
import sys
import tomllib
from argparse import ArgumentTypeError

import pytest

from harness.__main__ import COMMANDS, main
from harness.cli import assignment, device, json_object, positive
from harness.disk.schema import ROOT
from harness.errors import HarnessError, suggest
from harness.machine.device import choose_device
from harness.scenes.adapters import adapter_folder, adapter_folders

NAMES = ["methods", "fuse", "score", "datasets", "sources", "plan", "status", "adopt"]
NAMES += ["new-baseline"]
PARTS = ["sources list", "sources where", "sources get", "sources verify"]
STAGES = [
    f"{package}.{path.stem}"
    for package in ("harness.stages", "reports.stages")
    for path in sorted(ROOT.joinpath(*package.split(".")).glob("*.py"))
    if path.stem not in ("__init__", "common", "identity")
]
ENTRIES = [
    "harness", *(f"harness {name}" for name in [*NAMES, *PARTS]),
    "metrics", "metrics score", *STAGES,
]  # fmt: skip
FUSE = ["fuse", "ydtl", "--infrared", "a"]
SLOW = ("torch", "numba", "rasterio", "pandas")
HELP = f"""
import runpy, sys
module, *sys.argv[1:] = sys.argv[1:]
try:
    runpy.run_module(module, run_name="__main__", alter_sys=True)
except SystemExit as ending:
    assert not ending.code, ending.code
print("loaded:", *sorted(set({SLOW}) & set(sys.modules)))
"""


def run_program(*words, **options):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "harness", *map(str, words)],
        check=False, env=environment, text=True, stderr=subprocess.PIPE,
        **{"stdout": subprocess.PIPE, **options},
    )  # fmt: skip


@pytest.mark.parametrize("entry", ENTRIES)
def test_help_loads_nothing_slow(entry):
    run = subprocess.run(
        [sys.executable, "-c", HELP, *entry.split(), "--help"],
        check=True, cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert run.stdout.startswith("usage: ")
    assert run.stdout.splitlines()[-1].strip() == "loaded:"


def test_help_is_a_table_of_contents(capsys):
    assert [command.__name__.rpartition(".")[2].replace("_", "-") for command in COMMANDS] == NAMES
    with pytest.raises(SystemExit) as ending:
        main(["--help"])
    assert ending.value.code == 0
    listed = [line.split() for line in capsys.readouterr().out.splitlines() if line[:4] == "    "]
    assert [words[0] for words in listed if len(words) > 1 and words[0] in NAMES] == NAMES


def test_the_console_script_is_the_same_program():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    module, function = project["scripts"]["segfanet-bench"].split(":")
    program = getattr(importlib.import_module(module), function)
    assert program.__module__ == main.__module__
    assert callable(program)


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        ([*FUSE, "--visible", "b", "-o", "c"], 1, "did you mean 'ydtr'"),
        (["sources", "verify", "postdam"], 1, "did you mean 'potsdam'"),
        (["plan", "--configfile", "none.yaml"], 1, "none.yaml"),
        (["plan", "--device", "gpu"], 2, "device is 'gpu'; use auto, cpu, cuda or cuda:N"),
        (["sources", "get"], 2, "names"),
        (["fuze"], 2, "invalid choice: 'fuze'"),
        (["score"], 2, "--infrared"),
        ([], 2, "COMMAND"),
    ],
)  # fmt: skip
def test_exit_statuses(words, status, message, tmp_path):
    run = run_program(*words, cwd=tmp_path)
    assert run.returncode == status
    assert message in run.stderr.splitlines()[-1]
    assert "Traceback" not in run.stderr
    if status == 1:
        assert run.stderr.startswith("error: ")
        assert len(run.stderr.splitlines()) == 1


def test_a_misspelt_adapter_is_suggested():
    with pytest.raises(HarnessError, match="did you mean 'potsdam'"):
        adapter_folder("postdam")


def test_an_interrupted_command_ends_with_130():
    text = "from harness.cli import run\ndef main(): raise KeyboardInterrupt\nrun(main)"
    run = subprocess.run(
        [sys.executable, "-c", text], check=False, cwd=ROOT, capture_output=True, text=True
    )
    assert (run.returncode, run.stderr) == (130, "interrupted\n")


def test_a_file_that_cannot_be_opened_is_one_line():
    text = "from harness.cli import run\nrun(lambda: open('none/at/all'))"
    run = subprocess.run(
        [sys.executable, "-c", text], check=False, cwd=ROOT, capture_output=True, text=True
    )
    assert run.returncode == 1
    assert run.stderr == "error: [Errno 2] No such file or directory: 'none/at/all'\n"


def test_a_reader_that_stops_early_is_no_error():
    reading, writing = os.pipe()
    os.close(reading)
    try:
        run = run_program("methods", stdout=writing)
    finally:
        os.close(writing)
    assert (run.returncode, run.stderr) == (0, "")


def test_data_sets_are_listed_with_origin_and_licence(capsys, tmp_path):
    (tmp_path / "4_Ortho_RGBIR.zip").touch()
    main(["datasets", "--cache", str(tmp_path)])
    text = capsys.readouterr().out
    names = [line.partition(":")[0] for line in text.splitlines() if line[:1] != " "]
    assert names == list(adapter_folders())
    potsdam = text[text.index("potsdam: ISPRS") :]
    assert f"files: 1 of 6 in {tmp_path}" in potsdam
    assert "licence: ISPRS benchmark terms" in potsdam
    assert "licence: see harness/datasets/landsat7/README.md" in text


def test_suggestions_ask_about_the_nearest_name_or_list_all():
    assert suggest("vlf", ["vif", "ag"]) == "did you mean 'vif'?"
    assert suggest("zzz", ["vif", "ag"]) == "there are: vif, ag"


@pytest.mark.parametrize(
    ("parse", "text", "message"),
    [
        (positive, "0", "expected a whole number from 1, got '0'"),
        (positive, "-2", "got '-2'"),
        (positive, "1.5", "got '1.5'"),
        (assignment, "width", "expected KEY=VALUE, got 'width'"),
        (assignment, "pool=[4, 4", "pool: '[4, 4' is not YAML"),
        (json_object, "[1]", "expected a JSON object, got '[1]'"),
        (json_object, "{", "expected a JSON object, got '{'"),
        (device, "gpu", "device is 'gpu'; use auto, cpu, cuda or cuda:N"),
    ],
)
def test_bad_arguments_are_named(parse, text, message):
    with pytest.raises(ArgumentTypeError) as refused:
        parse(text)
    assert message in str(refused.value)


def test_good_arguments_are_parsed():
    assert positive("3") == 3
    assert assignment("pool=[4, 4]") == ("pool", [4, 4])
    assert json_object('{"a": 1}') == {"a": 1}
    assert [device(name) for name in ("auto", "cuda:1")] == ["auto", "cuda:1"]


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "cpu:1", ""])
def test_unknown_devices_are_named(name):
    with pytest.raises(HarnessError, match=r"device is .*; use auto, cpu, cuda or cuda:N"):
        choose_device(name)
