"""Configurations whose values are too large for a command line."""

import json

import numpy as np
import pytest
from PIL import Image

from harness.cli import json_object
from harness.workflow import LARGE, as_json
from tests.helpers.project import copy_project, snakemake


def test_large_values_go_by_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small, large = {"test": ["a"]}, {"test": ["x" * 30] * LARGE}
    assert as_json(small) == json.dumps(small)
    text = as_json(large)
    assert len(text) < 100
    assert text.startswith("@")
    for value in (small, large):
        assert json_object(as_json(value)) == value
        assert as_json(value) == as_json(dict(value))
    assert len(list((tmp_path / ".snakemake/arguments").iterdir())) == 1


@pytest.mark.slow
def test_names_that_fill_more_than_a_command_line_are_measured(tmp_path):
    folder = copy_project(tmp_path)
    names = [f"{index:04d}_{'x' * 190}" for index in range(700)]
    assert sum(map(len, names)) > 128 << 10
    for kind in ("rgb", "ir"):
        (folder / "many" / kind).mkdir(parents=True)
        one = folder / "many" / f"{kind}.png"
        Image.fromarray(np.arange(48 * 48, dtype=np.uint32).astype(np.uint8).reshape(48, 48)).save(
            one
        )
        for name in names:
            (folder / "many" / kind / f"{name}.png").hardlink_to(one)
    data = {"many": {"adapter": "tiles", "options": {"root": "many", "test": names}}}
    config = {"title": "t", "methods": ["average"], "metrics": ["sf"], "datasets": data}
    (folder / "many.yaml").write_text(json.dumps({**config, "device": "cpu"}))
    run = snakemake(folder, "results/tables/index.csv", configfile="many.yaml")
    assert run.returncode == 0, run.stdout[-3000:]
    table = (folder / "results/many/average/seed0/scores.csv").read_text()
    assert table.count("\n") == 701
    assert (
        "Nothing to be done"
        in snakemake(folder, "results/tables/index.csv", "--dry-run", configfile="many.yaml").stdout
    )
