"""Every command line of the texts runs: for real where that takes seconds, else as a dry run."""

import os
import re
import shlex
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from snakemake.cli import get_argument_parser

from harness.disk.schema import ROOT
from tests.helpers.pages import PAGES, blocks, command_lines, programs, shell_lines
from tests.helpers.project import add_method_files, copy_project, tiny_config

FILE_TOOLS = {"cat", "echo", "for", "ln", "ls", "mkdir", "source"}
"""Commands of the system, which run for real in a temporary folder."""
ONLINE = {"pip": "installs from a package index", "pip-audit": "asks a package index"}
"""Programs of lines that tests cannot run without a network, and why."""
LONG = {
    "plan": "times every method of a configuration",
    "sources get": "downloads archives",
    "benchmarks.": "measures for minutes, or needs a finished run",
    "tests.equality": "runs every method on every set for an hour",
    "tests.fuzz": "tries inputs for minutes",
}
"""Commands of which only the arguments are checked, and why."""
OF_THE_READER = {
    "my.yaml": "the reader's own configuration",
    "ours.yaml": "written by the page's line before",
    "roadscene.yaml": "printed by the page, for the reader to save",
}
"""Configurations that no checkout contains, and why."""
NOT_PLANNED = {"TARGET", "--unlock"}
"""Words of lines that cannot be dry runs: a general form, and what removes a lock."""
PLACEHOLDERS = {"DIR", "FILE", "FOLDER", "METHOD", "NAME", "<name>"}
"""Words of general forms, whose arguments alone are checked."""


def lines(*names):
    return [pytest.param(line, id=str(line)) for name in names for line in command_lines(name)]


def test_every_program_of_the_texts_is_run_by_a_test_below():
    known = {"snakemake", "segfanet-bench", "python", "make", "pytest", *FILE_TOOLS, *ONLINE}
    assert programs() == known


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of the repository with the methods and the images that the pages speak of."""
    folder = copy_project(tmp_path_factory.mktemp("checkout"))
    shutil.copytree(ROOT / "docs", folder / "docs")
    texts = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    (code,) = re.findall(r"```python\n(\"\"\"Gradient.*?)```", texts, re.DOTALL)
    (described,) = re.findall(r"```yaml\n(name: gradient.*?)```", texts, re.DOTALL)
    add_method_files(folder, "gradient_transfer", described, {"model.py": code})
    (metric,) = re.findall(r"```python\n(\"\"\"Contrast .*?)```", texts, re.DOTALL)
    (folder / "metrics" / "contrast.py").write_text(metric)
    rng = np.random.default_rng(0)
    for place in ("ir", "vis", "rgb", "mine", "fused"):
        (folder / place).mkdir()
        for name in ("a.png", "b.png"):
            pixels = rng.integers(0, 256, (48, 50), np.uint8)
            Image.fromarray(pixels).save(folder / place / name)
            Image.fromarray(pixels).save(folder / f"{place}.png")
    return folder


def run(words, folder):
    # A copy would compile the metrics first, for two small images.
    environment = {**os.environ, "FUSION_METRICS_COMPILED": "0"}
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)


def program_and_arguments(line):
    """Return the package and the arguments of a line; None if it does not run a package."""
    if line.program == "segfanet-bench":
        return "harness", line.words[1:]
    if "-m" in line.words:
        at = line.words.index("-m")
        return line.words[at + 1], line.words[at + 2 :]
    return None


@pytest.mark.parametrize("line", lines("segfanet-bench", "python"))
def test_commands_run(line, checkout):
    """Lines run for real in a copy of the repository; of long ones the arguments are checked."""
    found = program_and_arguments(line)
    if found is None:
        assert run([sys.executable, *line.words[1:]], checkout).returncode == 0
        return
    package, arguments = found
    check_options(package, arguments, checkout)
    command = " ".join([package, *arguments]).removeprefix("harness ")
    general = not arguments or PLACEHOLDERS.intersection(arguments)
    if general or command.startswith(tuple(LONG)):
        return
    words = [word.replace("/data/zips", str(checkout)) for word in arguments]
    if "new-baseline" in words:  # The checkout has what the page's next steps make of it.
        words[-1] += f"_in_{line.page.replace('-', '_').lower()}"
    ended = run([sys.executable, "-m", package, *words], checkout)
    assert ended.returncode == 0, ended.stderr


def check_options(package, arguments, folder):
    """The command's own help lists every option that the line uses."""
    command = [word for word in arguments[:1] if not word.startswith("-")]
    if command == ["sources"]:
        command = arguments[:2]
    helped = run([sys.executable, "-m", package, *command, "--help"], folder)
    assert helped.returncode == 0, helped.stderr
    options = {word.split("=")[0] for word in arguments if word.startswith("-")}
    assert {option for option in options if option not in helped.stdout} == set()


@pytest.mark.parametrize("line", lines("make"))
def test_make_lines_name_targets_that_plan_their_commands(line):
    """`make -n` resolves the target and its prerequisites, and prints what would run."""
    targets = [word for word in line.words[1:] if "=" not in word]
    described = re.findall(
        r"^(\S+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert set(targets) <= set(described)
    planned = run(["make", "--dry-run", *line.words[1:]], ROOT)
    assert planned.returncode == 0, planned.stderr
    assert planned.stdout.strip()


@pytest.mark.parametrize("line", lines("pytest"))
def test_pytest_lines_select_tests(line, checkout):
    options = ["--collect-only", "-q", "-p", "no:cacheprovider"]
    collected = run([sys.executable, "-m", "pytest", *options, *line.words[1:]], checkout)
    assert collected.returncode == 0, collected.stdout
    assert "::" in collected.stdout


def file_blocks():
    """Every run of consecutive lines of the system's tools in one shell block."""
    for page in PAGES:
        for block in blocks(page, "bash"):
            own = [line for line in shell_lines(block) if shlex.split(line)[0] in FILE_TOOLS]
            if own:
                yield pytest.param(own, id=f"{page.stem}: {own[0]}"[:60])


@pytest.mark.parametrize("own", list(file_blocks()))
def test_lines_of_file_tools_run(own, tmp_path):
    """They run for real, with `/data` and the folders of the pages made up."""
    here = tmp_path / "here"
    made_up = {
        "data/pairs": ("rgb", "ir"),
        "data/RoadScene": ("crop_LR_visible", "cropinfrared"),
        "data/MSRS/train": ("vi", "ir", "Segmentation_labels"),
        "data/MSRS/test": ("vi", "ir", "Segmentation_labels"),
        "here": ("ir", "resources"),
    }
    for parent, folders in made_up.items():
        for folder in folders:
            (tmp_path / parent / folder).mkdir(parents=True)
            (tmp_path / parent / folder / f"{parent[-4:]}1_ir.png").touch()
    for name in ("requirements.txt", "constraints.txt"):
        (here / name).write_bytes((ROOT / name).read_bytes())
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", here / ".venv"], check=True)
    script = "\n".join(own).replace("/data", str(tmp_path / "data"))
    ended = run(["bash", "-euo", "pipefail", "-c", script], here)
    assert ended.returncode == 0, ended.stderr
    links = [
        path for path in tmp_path.rglob("*") if path.is_symlink() and ".venv" not in path.parts
    ]
    assert all(link.exists() for link in links)
    assert bool(links) == any(line.startswith("ln ") or "&& ln " in line for line in own)


@pytest.mark.parametrize("line", lines("snakemake"))
def test_snakemake_lines_name_rules_and_files(line):
    """Snakemake's own parser finds the targets that are meant, and each file where it is said."""
    if "TARGET" in line.words:  # The general form of a command.
        return
    parsed = get_argument_parser().parse_args(line.words[1:])
    files = [str(path) for path in parsed.configfile]
    assert [f for f in files if f not in OF_THE_READER and not (ROOT / f).is_file()] == []
    texts = [path.read_text(encoding="utf-8") for path in ROOT.glob("workflow/rules/*.smk")]
    rules = set(re.findall(r"^rule (\w+):", "".join(texts), re.MULTILINE))
    assert (set(parsed.targets) | set(parsed.forcerun)) <= rules


@pytest.mark.parametrize("line", lines("snakemake"))
def test_snakemake_lines_plan_their_jobs(line, tmp_path):
    """Every line runs, but as a dry run and with the reader's own files replaced by ours."""
    words = line.words[1:]
    if not NOT_PLANNED.isdisjoint(words):
        return
    own = tmp_path / "own.yaml"
    own.write_text(tiny_config())
    ours = {**dict.fromkeys(OF_THE_READER, own), "gradient_transfer": "ydtr"}
    for theirs, replacement in ours.items():
        words = [word.replace(theirs, str(replacement)) for word in words]
    planned = run(
        [sys.executable, "-m", "snakemake", *words, "--dry-run", "--directory", tmp_path], ROOT
    )
    assert planned.returncode == 0, planned.stdout + planned.stderr


def test_a_target_after_the_configuration_is_read_as_a_file():
    """Hold the parser to the behaviour because of which the texts put targets first."""
    parsed = get_argument_parser().parse_args(["--configfile", "a.yaml", "data"])
    assert [str(path) for path in parsed.configfile] == ["a.yaml", "data"]
