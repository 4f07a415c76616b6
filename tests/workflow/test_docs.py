"""What the texts print is true of the repository: links, code, English, the example method."""

import ast
import os
import re
import shlex
import subprocess
import sys

import numpy as np
import pytest
import yaml
from PIL import Image

from harness.disk.schema import ROOT, check
from harness.methods.spec import MethodFile
from tests.helpers.pages import CONFIGURATIONS, PAGES, blocks
from tests.helpers.project import add_method_files, copy_project


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


HABITS = {
    "image": r"\bpictures?\b",
    "fix": r"\bmend(?:s|ed|ing)?\b",
    "report, distinguish": r"\btold\b",
    "contain the hash of, check": r"\bvouch\w*",
    "per": r"\b(?:once|one line|one row|one file|one run|one image|rows|steps|hours|GFLOP) an? "
    r"(?:row|tile|seed|step|run|batch|image|pixel|class|method|setting|scene|stage)\b",
}
"""What to write instead → what CONTRIBUTING.md rules out."""


@pytest.mark.parametrize("page", [*PAGES, *CONFIGURATIONS, ROOT / "Makefile"], ids=ids)
def test_the_texts_keep_to_the_house_english(page):
    text = page.read_text(encoding="utf-8")
    if page.name == "CONTRIBUTING.md":
        text = text[: text.index("## English")]
    text = re.sub(r"```text.*?```", "", text, flags=re.DOTALL)  # What a program printed.
    found = {better: re.findall(words, text, re.IGNORECASE) for better, words in HABITS.items()}
    assert {better: words for better, words in found.items() if words} == {}


def test_metrics_of_own_images_as_the_page_prints_it(tmp_path):
    rng = np.random.default_rng(0)
    for folder in ("ir", "vis", "mine"):
        (tmp_path / folder).mkdir()
        for name in ("a.png", "b.png"):
            pixels = rng.integers(0, 256, (48, 50), np.uint8)
            Image.fromarray(pixels).save(tmp_path / folder / name)
    (line,) = (
        line
        for line in blocks(ROOT / "docs/metrics.md", "bash")[0].splitlines()
        if " score " in line
    )
    words = [sys.executable, *shlex.split(line)[1:]]
    subprocess.run(words, check=True, cwd=tmp_path, capture_output=True)
    assert len((tmp_path / "scores.csv").read_text().splitlines()) == 3


@pytest.mark.slow
def test_readme_goes_from_images_to_reports_in_three_lines_each(tmp_path):
    """The lines run for real, one after the other, with images in place of `/data`."""
    texts = re.split(r"^## ", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    project = copy_project(tmp_path / "project")
    rng = np.random.default_rng(0)
    for folder in ("data/pairs/ir", "data/pairs/rgb", "project/fused", "project/ir", "project/rgb"):
        (tmp_path / folder).mkdir(parents=True)
        for name in ("a.png", "b.png"):
            pixels = rng.integers(0, 256, (48, 50), np.uint8)
            Image.fromarray(pixels).save(tmp_path / folder / name)
            Image.fromarray(pixels).save(tmp_path / f"{folder}.png")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, words in (("python", ""), ("segfanet-bench", "-m harness ")):
        (programs / name).write_text(f'#!/bin/sh\nexec {sys.executable} {words}"$@"\n')
        (programs / name).chmod(0o755)
    environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
    rows = {
        "Your images": "average",
        "Your method": "gradient_transfer",
        "Your fused images": "ours",
    }
    for title, row in rows.items():
        (text,) = (text for text in texts if text.startswith(f"{title}\n"))
        block = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)[0]
        assert len(block.splitlines()) == 3
        script = block.replace("/data/", f"{tmp_path}/data/")
        ended = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=project,
            env={**environment, "FUSION_METRICS_COMPILED": "0"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert ended.returncode == 0, ended.stdout
        table = (project / "results/tables/comparison_mine.csv").read_text()
        assert any(line.startswith(row) for line in table.splitlines()), table


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
