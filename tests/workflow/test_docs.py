"""What the texts print is true of the repository: links, code, commands, the example method."""

import ast
import re
import shlex
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import yaml
from PIL import Image
from snakemake.cli import get_argument_parser

from harness.disk.schema import ROOT, check
from harness.methods.spec import MethodFile
from tests.helpers.project import add_method_files, copy_project

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("config/*.md")])


def blocks(page, language):
    text = page.read_text(encoding="utf-8")
    return [
        textwrap.dedent(block)
        for block in re.findall(rf"^ *```{language}\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)
    ]


def ids(page):
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_links_lead_somewhere(page):
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    local = [target for target in targets if not target.startswith(("http", "mailto:"))]
    assert [target for target in local if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_python_and_yaml_can_be_parsed(page):
    for block in blocks(page, "python"):
        ast.parse(block)
    for block in blocks(page, "yaml"):
        yaml.safe_load(block)


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_named_files_exist(page):
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"`((?:harness|segfanet|metrics|reports|tests|benchmarks)/[\w/.]+)`", text)
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_version_and_date_are_the_same_everywhere():
    def first(file, pattern):
        return re.search(pattern, (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)

    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    released = first("CHANGELOG.md", r"^## \[(\d[^]]*)\] - (\S+)$").groups()
    assert released == (citation["version"], str(citation["date-released"]))
    assert first("pyproject.toml", r'^version = "(.*)"$')[1] == released[0]


def command_lines():
    """Yield the words of each line of a shell block, with a name for the test."""
    for page in PAGES:
        for block in blocks(page, "bash"):
            for line in block.replace("\\\n", " ").splitlines():
                words = shlex.split(line, comments=True)
                if words:
                    yield words, f"{page.stem}: {line}"[:70]


def commands():
    """Yield the module and arguments of every `python -m ...` and `segfanet-bench ...`."""
    for words, name in command_lines():
        if "-m" in words and words[0].endswith("python"):
            yield pytest.param(words[words.index("-m") + 1 :], id=name)
        elif words[0].endswith("segfanet-bench"):
            yield pytest.param(["harness", *words[1:]], id=name)


def workflow_runs():
    """Yield the arguments of every `snakemake ...`."""
    for words, name in command_lines():
        if words[0].endswith("snakemake"):
            yield pytest.param(words[1:], id=name)


RULES = {"data", "train", "baselines", "ablation", "tables", "report", "all", "examples", "audit"}
OWN = {"my.yaml", "roadscene.yaml"}
"""Configurations that a reader of the pages writes."""


@pytest.mark.parametrize("words", list(workflow_runs()))
def test_the_workflow_takes_its_targets_for_targets(words):
    """`--configfile FILE TARGET` would take the target for a further configuration."""
    arguments = get_argument_parser().parse_args(words)
    for file in arguments.configfile or ():
        assert str(file) in OWN or (ROOT / file).is_file(), file
    for target in arguments.targets:
        assert target in RULES or target.startswith("results/"), target


@pytest.mark.parametrize("words", list(commands()))
def test_commands_and_their_options_are_known(words):
    """The command's own help lists every option that the page uses."""
    package, *rest = words
    command = [word for word in rest[:1] if not word.startswith("-")]
    run = subprocess.run(
        [sys.executable, "-m", package, *command, "--help"],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert run.returncode == 0, run.stderr
    options = {word.split("=")[0] for word in rest if word.startswith("-")}
    assert {option for option in options if option not in run.stdout} == set()


def test_metrics_of_own_pictures_as_the_page_prints_it(tmp_path):
    rng = np.random.default_rng(0)
    for folder in ("ir", "vis", "mine"):
        (tmp_path / folder).mkdir()
        for name in ("a.png", "b.png"):
            picture = rng.integers(0, 256, (48, 50), np.uint8)
            Image.fromarray(picture).save(tmp_path / folder / name)
    (line,) = (
        line
        for line in blocks(ROOT / "docs/metrics.md", "bash")[0].splitlines()
        if " score " in line
    )
    words = [sys.executable, *shlex.split(line)[1:]]
    subprocess.run(words, check=True, cwd=tmp_path, capture_output=True)
    assert len((tmp_path / "scores.csv").read_text().splitlines()) == 3


def test_readme_method_is_complete(tmp_path):
    description = next(b for b in blocks(ROOT / "README.md", "yaml") if "entry:" in b)
    code = next(b for b in blocks(ROOT / "README.md", "python") if "def fuse" in b)
    check(MethodFile, yaml.safe_load(description), "README.md")
    project = copy_project(tmp_path)
    add_method_files(project, "maximum", description, {"fusion.py": code})
    Image.fromarray(np.full((48, 48), 9, np.uint8)).save(tmp_path / "a.png")
    Image.fromarray(np.arange(48 * 48, dtype=np.uint8).reshape(48, 48)).save(tmp_path / "b.png")
    command = [sys.executable, "-m", "harness", "fuse", "maximum", "--infrared", "a.png"]
    subprocess.run([*command, "--visible", "b.png", "-o", "f.png"], check=True, cwd=project)
    fused = np.asarray(Image.open(tmp_path / "f.png"))
    expected = np.maximum(np.asarray(Image.open(tmp_path / "b.png")), 9)
    assert np.abs(fused.astype(int) - expected).max() <= 1
