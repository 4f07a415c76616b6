"""How `score` names the methods of its folders."""

import csv

import numpy as np
from PIL import Image

from metrics.cli import main


def names(tmp_path, *fused):
    rng = np.random.default_rng(0)
    for folder in ("ir", "vi", *fused):
        (tmp_path / folder).mkdir(parents=True)
        pixels = rng.integers(0, 256, (32, 40), np.uint8)
        Image.fromarray(pixels).save(tmp_path / folder / "a.png")
    words = ["--infrared", tmp_path / "ir", "--visible", tmp_path / "vi", "--metrics", "mse"]
    words += ["--fused", *(tmp_path / folder for folder in fused), "-o", tmp_path / "s.csv"]
    if main(["score", *map(str, words)]):
        return None
    with (tmp_path / "s.csv").open() as stream:
        return [row["method"] for row in csv.DictReader(stream)]


def test_folders_that_are_called_alike_take_their_parents_names(tmp_path):
    assert names(tmp_path, "ydtr/fused", "tardal/fused", "mine") == ["ydtr", "tardal", "mine"]


def test_names_that_stay_alike_are_refused(tmp_path, capsys):
    assert names(tmp_path, "x/ydtr/fused", "y/ydtr/fused") is None
    assert "already called 'ydtr'" in capsys.readouterr().err
