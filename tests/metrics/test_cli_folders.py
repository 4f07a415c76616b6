"""How `score` names the methods of its folders."""

import csv
import time

import numpy as np
from PIL import Image

from metrics import files
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


def test_large_images_are_measured_one_at_a_time(tmp_path, monkeypatch):
    """As many threads as images would need the memory of one for each of them."""
    at_work, most = [], []

    def measure(*arguments, **options):
        at_work.append(1)
        most.append(len(at_work))
        time.sleep(0.05)
        at_work.pop()
        return {"fused": {"mse": np.zeros(1)}}

    monkeypatch.setattr(files, "score_methods", measure)
    path = tmp_path / "a.png"
    Image.fromarray(np.zeros((40, 50), np.uint8)).save(path)
    names = {str(i): {"infrared": path, "visible": path, "fused": path} for i in range(8)}
    files.score_files(names, ["fused"], ["mse"], threads=8)
    assert max(most) > 1
    most.clear()
    monkeypatch.setattr(files, "LARGE", 40 * 50 - 1)
    files.score_files(names, ["fused"], ["mse"], threads=8)
    assert max(most) == 1
