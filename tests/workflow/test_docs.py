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
from tests.helpers.project import add_method_files, copy_project, tiny_config

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


def commands():
    """Every `python -m package ...` and `segfanet-bench ...` of a shell block."""
    for page in PAGES:
        for block in blocks(page, "bash"):
            for line in block.replace("\\\n", " ").splitlines():
                words = shlex.split(line, comments=True)
                if words and words[0].endswith("segfanet-bench"):
                    yield pytest.param(["harness", *words[1:]], id=f"{page.stem}: {line}"[:70])
                if "-m" in words and words[0].endswith("python"):
                    yield pytest.param(
                        words[words.index("-m") + 1 :], id=f"{page.stem}: {line}"[:70]
                    )


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


def snakemake_lines():
    """Every `snakemake ...` line of the texts, of the comments in `config/`, and of code spans."""
    for page in [*PAGES, *sorted(ROOT.glob("config/*.yaml"))]:
        text = page.read_text(encoding="utf-8").replace("\\\n", " ")
        spans = re.findall(r"`((?:\.venv/bin/)?snakemake [^`]+)`", text)
        lines = re.findall(r"^[ #]*((?:\.venv/bin/)?snakemake .*)", text, re.MULTILINE)
        for line in dict.fromkeys([*spans, *(line for line in lines if "`" not in line)]):
            yield pytest.param(line, id=f"{page.stem}: {line}"[:90])


OF_THE_READER = {
    "my.yaml": "the reader's own configuration",
    "roadscene.yaml": "printed by the page, for the reader to save",
}
"""Configurations that no checkout holds, and why."""
NOT_PLANNED = {"TARGET", "--unlock"}
"""Words of lines that cannot be dry runs: a general form, and what removes a lock."""


@pytest.mark.parametrize("line", list(snakemake_lines()))
def test_snakemake_lines_name_rules_and_files(line):
    """Snakemake's own parser finds the targets that are meant, and each file where it is said."""
    words = shlex.split(line, comments=True)[1:]
    if "TARGET" in words:  # The general form of a command.
        return
    parsed = get_argument_parser().parse_args(words)
    files = [str(path) for path in parsed.configfile]
    assert [f for f in files if f not in OF_THE_READER and not (ROOT / f).is_file()] == []
    texts = [path.read_text(encoding="utf-8") for path in ROOT.glob("workflow/rules/*.smk")]
    rules = set(re.findall(r"^rule (\w+):", "".join(texts), re.MULTILINE))
    assert (set(parsed.targets) | set(parsed.forcerun)) <= rules


@pytest.mark.parametrize("line", list(snakemake_lines()))
def test_snakemake_lines_plan_their_jobs(line, tmp_path):
    """Every line runs, but as a dry run and with the reader's own files replaced by ours."""
    words = shlex.split(line, comments=True)[1:]
    if not NOT_PLANNED.isdisjoint(words):
        return
    own = tmp_path / "own.yaml"
    own.write_text(tiny_config())
    ours = {**dict.fromkeys(OF_THE_READER, own), "gradient_transfer": "ydtr"}
    for theirs, replacement in ours.items():
        words = [word.replace(theirs, str(replacement)) for word in words]
    run = subprocess.run(
        [sys.executable, "-m", "snakemake", *words, "--dry-run", "--directory", tmp_path],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_a_target_after_the_configuration_is_read_as_a_file():
    """Hold the parser to the behaviour because of which the texts put targets first."""
    parsed = get_argument_parser().parse_args(["--configfile", "a.yaml", "data"])
    assert [str(path) for path in parsed.configfile] == ["a.yaml", "data"]


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
