"""A copy of the repository with a tiny configuration, for tests that run the workflow."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.helpers.town import small_town

ROOT = Path(__file__).resolve().parents[2]

TINY = """\
title: tiny
demonstration: true
device: cpu
methods: [segfanet, average{methods}]
stretched:
  average: [minmax_rgb_batch2]
train: {{steps: 2, batch: 1}}
overrides:
  segfanet:
    options: {{width: 4, pool: [4, 4, 4]}}
datasets:
  town:
    adapter: tiles
    stands_for: whu
    ablations: {ablations}
    tiling: {{size: 48, stride: 48}}
    options: {town}
"""


def tiny_config(*, methods=(), ablations=False):
    """Return the tiny configuration as YAML; `methods` are added to its own."""
    return TINY.format(
        methods="".join(f", {name}" for name in methods),
        ablations=json.dumps(ablations),
        town=json.dumps(small_town(96)),
    )


def copy_project(folder, *, methods=(), ablations=False):
    """Copy all files that git would keep, and write `tiny.yaml`."""
    listing = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in listing.stdout.splitlines():
        source, target = ROOT / name, folder / name
        if source.is_file() and not name.startswith("docs/"):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    (folder / "tiny.yaml").write_text(tiny_config(methods=methods, ablations=ablations))
    return folder


def snakemake(folder, *arguments, configfile="tiny.yaml"):
    """Run the workflow of a copy; return the finished process with its output as text."""
    command = [sys.executable, "-m", "snakemake", *arguments, "--cores", "2"]
    return subprocess.run(
        [*command, "--configfile", configfile],
        cwd=folder,
        # A fresh copy would compile the metrics' kernel first, for four tiles.
        env={**os.environ, "FUSION_METRICS_COMPILED": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=900,
    )


def planned(folder, *targets):
    """Return the rules that a run would execute with their counts; {} if nothing is to do."""
    run = snakemake(folder, *targets, "--dry-run", "--quiet", "rules")
    assert run.returncode == 0, run.stdout
    counts = dict(re.findall(r"^(\w+) +(\d+)$", run.stdout, flags=re.MULTILINE))
    counts.pop("total", None)
    counts.pop("all", None)
    return {rule: int(count) for rule, count in counts.items()}


def add_method(folder, name, body, **extra):
    """Write a method folder: `body` is what `fuse` does."""
    lines = [f"name: {name}", f"title: {name}", "entry: code:Method"]
    lines += [f"{key}: {value}" for key, value in extra.items()]
    code = (
        f"import torch\n\n\nclass Method:\n    def fuse(self, infrared, visible):\n        {body}\n"
    )
    return add_method_files(folder, name, "\n".join(lines) + "\n", {"code.py": code})


def add_method_files(folder, name, description, files):
    """Write a method folder from the text of its files."""
    method = folder / "baselines" / name
    method.mkdir(parents=True)
    (method / "method.yaml").write_text(description)
    for file, text in files.items():
        (method / file).write_text(text)
    return method


def edit(path: Path) -> None:
    """Edit a file so that its code is another, although it does the same."""
    path.write_text(path.read_text() + "\nEDITED = 1\n")
