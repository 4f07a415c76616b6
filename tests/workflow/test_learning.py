"""A training that dies is marked wherever its values stand, and every datum can be recomputed."""

import csv
import json
import re

import numpy as np
import pytest
import torch
import yaml

from harness.disk.records import read_record
from harness.methods.spec import find_method
from harness.pixels import IGNORE
from harness.tiles.store import TileStore
from tests.helpers.project import add_method_files, copy_project, edit, planned, snakemake

pytestmark = pytest.mark.slow

TRAINED = """\
import torch


class Method(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor([0.25]))
        self.steps = 0

    def fuse(self, infrared, visible):
        {fuse}

    def training_loss(self, batch):
        self.steps += 1
        fused = self.weight * batch.infrared + (1 - self.weight) * batch.visible
        return {{"error": (fused - batch.infrared).square().mean(){more}}}
"""
BLEND = "return self.weight * infrared + (1 - self.weight) * visible"
PATTERN = "return torch.linspace(0, 1, infrared.shape[-1]).expand_as(infrared)"
METHODS = {
    "learns": (BLEND, ""),
    "ignores": (PATTERN, ""),
    "explodes": (BLEND, " / (self.steps < 2)"),
}
UNLEARNED = {
    "segfanet": "held-out L_f|do not depend|not finite",
    "ignores": "its outputs do not depend on the inputs",
    "explodes": "its loss terms or outputs are not finite",
}
BRIEF = "segfanet_noise"
"""A setting of SegFANet that trains at a usual rate, for very few steps."""
METRICS = ("sf", "ag", "scd", "vif")


def configure(folder, methods):
    """Train SegFANet at a rate at which it dies, beside methods that were made up."""
    config = yaml.safe_load((folder / "tiny.yaml").read_text())
    config["methods"] = ["segfanet", "average", "loss_optimum", BRIEF, *methods]
    config["stretched"] = {"segfanet": ["minmax"]}
    config["overrides"]["segfanet"]["train"] = {"learning_rate": 1.0, "steps": 12}
    config["overrides"][BRIEF] = {"train": {"learning_rate": 1e-4}}
    config["overrides"]["loss_optimum"] = {"options": {"steps": 20}}
    return config


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run in which one training ends as a failure, and what it printed."""
    folder = copy_project(tmp_path_factory.mktemp("died"))
    for name, (fuse, more) in METHODS.items():
        description = f"name: {name}\ntitle: {name}\nentry: code:Method\ntrain: {{}}\n"
        code = TRAINED.format(fuse=fuse, more=more)
        add_method_files(folder, name, description, {"code.py": code})
    (folder / "tiny.yaml").write_text(yaml.safe_dump(configure(folder, METHODS)))
    return folder, snakemake(folder)


@pytest.fixture
def folder(run):
    return run[0]


def table(folder):
    with (folder / "results/tables/table1_town.csv").open() as stream:
        return {row["row"]: row for row in csv.DictReader(stream)}


def learned(folder, row=BRIEF):
    return json.loads((folder / f"results/town/{row}/seed0/learned.json").read_text())


def test_the_exit_message_names_every_training_that_did_not_learn(run):
    _, ended = run
    assert ended.returncode != 0, "a run without values failed"
    assert "4 trainings did not learn" in ended.stdout
    for row, reason in {**UNLEARNED, BRIEF: "held-out L_f of 1"}.items():
        assert re.search(rf"town: {row} \(seed 0\): .*({reason})", ended.stdout), row
    assert "town: learns (seed 0)" not in ended.stdout


def test_every_cell_that_it_feeds_is_marked_and_none_is_ranked_or_judged(folder):
    rows = table(folder)
    for name in (*UNLEARNED, "segfanet+minmax"):
        row = rows[name]
        assert row["unranked"] == "did not learn"
        assert row["unlearned"].startswith("seed 0: ")
        for metric in METRICS:
            assert row[f"{metric}_rank"] == ""
            if row[f"{metric}_ours"]:
                assert row[f"{metric}_verdict"] == "did not learn"
    assert rows["learns"]["sf_rank"] == "1", "it is the only method that learned"
    tested = [row["sf_p_holm"] for row in rows.values()]
    assert not any(tested), "nothing is compared with a dead network"
    for ending in ("md", "tex"):
        lines = (folder / f"results/tables/table1_town.{ending}").read_text().splitlines()
        marked = [line for line in lines if line.count("did not learn") >= len(METRICS)]
        assert len(marked) == len(UNLEARNED) + 1


def test_the_page_marks_it_in_cells_checks_and_claims(folder):
    page = (folder / "results/report/index.html").read_text()
    assert "4 trainings did not learn" in page
    checks = page[page.index('id="quality"') :]
    assert "Trainings that did not learn" in checks
    for name in UNLEARNED:
        assert f"town: {name}, seed 0: " in checks
    tables = page[page.index('id="table1_town"') :]
    cells = re.findall(r'<tr data-method="segfanet".*?</tr>', tables, re.DOTALL)
    assert all(cell.count("did not learn") >= len(METRICS) for cell in cells[:2])
    claims = page[page.index('id="claims"') : page.index('id="controls"')]
    verdicts = re.findall(r'<td><span class="verdict ([\w-]+)"', claims)
    assert verdicts
    assert set(verdicts) <= {"did-not-learn", "not-run"}


def test_curves_are_those_of_the_log(folder):
    for row in (BRIEF, "learns"):
        with (folder / f"results/town/{row}/seed0/training_log.csv").open() as stream:
            lines = list(csv.DictReader(stream))
        kept = learned(folder, row)["log"]
        assert len(lines) == len(kept) > 1
        for line, own in zip(lines, kept, strict=True):
            assert line.keys() - {"images_s"} == own.keys()
            assert {name: float(line[name]) for name in own} == own


def test_the_confusion_of_the_test_tiles_is_that_of_the_checkpoint(folder):
    store = TileStore(folder / "results/town/tiles")
    run = folder / "results/town" / BRIEF / "seed0"
    config = read_record(run / "training.json")["config"]
    method = find_method(BRIEF, config["options"]).load_for(len(store.classes)).eval()
    state = torch.load(run / "checkpoint.pt", weights_only=True)
    method.load_state_dict(state["model"])
    count = len(store.classes)
    confusion = np.zeros((count, count), int)
    for index in range(len(store.test)):
        part = slice(index, index + 1)
        pair = [
            torch.from_numpy(images(part).astype(np.float32))[:, None] / 255
            for images in (store.test.infrared, store.test.visible)
        ]
        with torch.no_grad():
            predicted = method(*pair).logits.argmax(1).numpy()
        label = store.test.labels(part)
        known = label != IGNORE
        np.add.at(confusion, (label[known], predicted[known]), 1)
    found = np.array(learned(folder)["confusion"])
    assert found.sum() == confusion.sum() > 0
    # Rounding, which depends on the batch, may break a tie otherwise.
    assert np.abs(found - confusion).sum() <= 0.005 * confusion.sum()


@pytest.mark.parametrize(
    ("file", "expected"),
    [("harness/fusing/held_out.py", 6), ("harness/fusing/feature_measures.py", 0)],
)
def test_only_what_a_measure_depends_on_makes_it_again(folder, file, expected):
    path = folder / file
    before = path.read_text()
    edit(path)
    try:
        again = planned(folder, "results/tables/index.csv")
    finally:
        path.write_text(before)
    # The two trainings that failed are tried again in any case.
    assert again["train"] == 2
    assert again["learning"] == max(expected, 2)


def test_a_run_with_values_ends_well_and_still_names_what_did_not_learn(run):
    folder, _ = run
    config = configure(folder, ["learns", "ignores"])
    if read_record(folder / "results/town/segfanet/seed0/fused.json")["status"] == "failed":
        config["methods"].remove("segfanet")
        config.pop("stretched")
    (folder / "tiny.yaml").write_text(yaml.safe_dump(config))
    ended = snakemake(folder)
    assert ended.returncode == 0, ended.stdout[-3000:]
    assert "town: ignores (seed 0): its outputs do not depend on the inputs" in ended.stdout
    assert "runs failed" not in ended.stdout
