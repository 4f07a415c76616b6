"""A run of three small methods, copies of which tests change and run again."""

import json
import os
import shutil
from pathlib import Path

import torch
import yaml

from harness.disk.records import SEAL, sealed
from tests.helpers.project import add_method_files, copy_project, snakemake
from tests.helpers.town import small_town

MODEL = """\
import time
from pathlib import Path

import torch


class Method(torch.nn.Module):
    def __init__(self, width=1):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.full((width,), 0.3))
        self.steps = 0

    def fuse(self, infrared, visible):
        weight = self.weight.mean()
        return (weight * infrared + (1 - weight) * visible).clamp(0, 1)

    def training_loss(self, batch):
        self.steps += 1
        self.breaks()
        fused = self.fuse(batch.infrared, batch.visible)
        return {"error": (fused - GOAL * batch.visible).square().mean()}

    def breaks(self):
        pass


GOAL = 1.0
"""
YAML = """\
name: mine
title: Mine
entry: model:Method
options: {width: 1}
train: {steps: 6, batch: 2, learning_rate: 0.05, checkpoint_seconds: 0}
"""
DATA = """\
from pathlib import Path

WEIGHT = float((Path(__file__).parent / "weight.txt").read_text())


class Method:
    def fuse(self, infrared, visible):
        return WEIGHT * infrared + (1 - WEIGHT) * visible
"""
ROWS = Path("results/town")
TARGETS = [f"{ROWS}/{row}/seed0/scores.csv" for row in ("mine", "reads", "average")]
ALL = {"prepare": 1, "train": 1, "fuse": 3, "measure": 3}
MINE = {"train": 1, "fuse": 1, "measure": 1}
TABLES = [*TARGETS, "results/tables/index.csv"]


def config(folder, **changes):
    """Write the configuration of a copy; `changes` replace its keys."""
    value = {
        "title": "tiny",
        "device": "cpu",
        "methods": ["average", "mine", "reads"],
        "datasets": {
            "town": {
                "adapter": "tiles",
                "tiling": {"size": 48, "stride": 48},
                "options": {**small_town(96), "root": "../images"},
            }
        },
        **changes,
    }
    (folder / "tiny.yaml").write_text(yaml.safe_dump(value))


def finished_run(folder):
    """Return a finished run: a trained method, one that reads a file, and a control."""
    project = copy_project(folder / "project")
    shutil.copytree(small_town(96)["root"], folder / "images")
    add_method_files(project, "mine", YAML, {"model.py": MODEL})
    description = "name: reads\ntitle: Reads\nentry: model:Method\n"
    add_method_files(project, "reads", description, {"model.py": DATA, "weight.txt": "0.25"})
    config(project)
    run = snakemake(project, *TABLES)
    assert run.returncode == 0, run.stdout[-3000:]
    return folder


def copy_of_run(finished, folder):
    """Return the project of a copy of the finished run; its images lie beside it."""
    shutil.copytree(finished, folder / "copy", symlinks=True)
    return folder / "copy" / "project"


def record(folder, name):
    return json.loads((folder / ROWS / name).read_text())


def weight(folder):
    path = folder / ROWS / "mine/seed0/checkpoint.pt"
    return float(torch.load(path, weights_only=True)["model"]["weight"].mean())


def keep_date(path, change):
    """Change a file as `cp -p` and archives do: with an old date."""
    change(path)
    os.utime(path, (1e9, 1e9))


def replace(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def seal(path, value):
    value.pop(SEAL)
    path.write_text(json.dumps(sealed(value)))
