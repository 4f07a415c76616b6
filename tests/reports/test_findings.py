"""What a run is judged on: each comparison once, claims about figures, deviations from records."""

import re
from collections import Counter

import numpy as np
import pytest

from harness.disk.records import Record
from reports.deviations import deviations, weights_used
from reports.evidence import figure_claims
from reports.page import render
from reports.printed import distinct_comparisons
from reports.run import read_report
from tests.helpers.made_up_runs import TILES, make_run, make_store, method, plan

RETRAINED = {"weights": {"origin": "retrained", "sha256": "0" * 64}}
SEEDS = (0, 1, 2)


def write_training(folder, recipe, steps):
    Record("train", {"recipe": recipe}, details={"steps": steps}).write(
        folder / "training.json", []
    )


@pytest.fixture
def run(tmp_path):
    """Ours, the literal reading, a stretched row, a setting of Table 3 and two baselines."""
    folder = tmp_path / "d"
    make_store(folder / "tiles")
    rng = np.random.default_rng(0)
    rows = ["segfanet", "segfanet+minmax", "segfanet_literal", "segfanet_1sinet", "ydtr", "tardal"]
    for row in rows:
        for seed in SEEDS if row.startswith("segfanet") else (0,):
            values = rng.uniform(1, 1.2, (TILES, 4)) + 9 * row.endswith("minmax")
            details = RETRAINED if row.startswith("segfanet") else {}
            make_run(folder, row, values, seed=seed, details=details)
    for row in ("segfanet", "segfanet_literal", "segfanet_1sinet"):
        recipe = {"batch": 4, "learning_rate": 1e-4, "labels": True, "precision": "bf16"}
        write_training(folder / row / "seed0", recipe, 100)
    methods = [
        method("segfanet", "proposed", "SegFANet", SEEDS),
        method("segfanet_literal", "ablation", "SegFANet, literal", SEEDS),
        method("segfanet_1sinet", "ablation", "1 SINet", SEEDS),
        method("ydtr", title="YDTR"),
        method("tardal", title="TarDAL"),
    ]
    return plan(tmp_path, methods, rows)


def test_each_comparison_is_judged_once_and_by_the_literal_network_first(run):
    report = read_report(run)
    judged = Counter(
        (row.name, metric)
        for table in report.tables
        for row in table.rows
        for metric, cell in zip(table.metrics, row.cells, strict=True)
        if cell.judgement.verdict
    )
    assert set(judged.values()) == {1}
    assert {row for row, _ in judged} == {"segfanet_literal", "segfanet_1sinet", "ydtr", "tardal"}
    assert len(judged) == 16 <= len(distinct_comparisons())


def test_only_raw_rows_of_methods_are_ranked(run):
    rows = {row.name: row for row in read_report(run).tables[0].rows}
    assert rows["segfanet+minmax"].unranked == "stretched"
    assert rows["segfanet_literal"].unranked == "literal reading"
    for name in ("segfanet+minmax", "segfanet_literal"):
        assert {cell.rank for cell in rows[name].cells} == {0}
    ranked = [row.cells[0].rank for row in rows.values()]
    assert sorted(ranked)[-2:] == [1, 2]
    assert rows["limfusion"].cells[0].printed_rank == 1
    assert rows["segfanet_literal"].cells[0].printed_rank == 2
    assert rows["segfanet+minmax"].cells[0].printed_rank == 0


def test_no_number_of_comparisons_on_the_page_exceeds_the_distinct_ones(run):
    page = render(read_report(run))
    counts = [int(n) for n in re.findall(r"(\d+)(?: of \d+)? comparison", page)]
    assert counts
    assert max(counts) <= 72
    assert "not ranked" in page
    assert "best in the paper" in page


def test_deviations_come_from_records(run):
    report = read_report(run)
    found = {(d.what, d.here, d.paper): d.subject for d in deviations(report)}
    assert found["batch", "4", "2"] == "SegFANet, SegFANet, literal, 1 SINet"
    assert found["training steps", "100", "432,000 (50 epochs)"].startswith("SegFANet")
    assert found["precision", "bf16", "not stated"]
    assert found["test tiles", str(TILES), "4,320"] == "data"
    assert found["test scenes", "ours", "the data set's own list"] == "data"
    assert found["output", "stretched: minmax", "not stated"] == "SegFANet + minmax"
    network = next(subject for (what, *_), subject in found.items() if what == "network")
    assert network == "SegFANet, 1 SINet", "the literal network is the paper's"
    assert not any(what == "learning rate" for what, *_ in found)
    (used,) = weights_used(report)
    assert used["labelled"] == ["SegFANet"]
    assert used["shelf"] == ["YDTR", "TarDAL"]


def test_options_of_the_network_that_are_not_literal_are_named(run, tmp_path):
    folder = tmp_path / "d" / "segfanet" / "seed0"
    options = {"norm": "renorm", "initial": "torch", "segmentation_context": 3}
    Record("fuse", {"options": options}, details=RETRAINED).write(
        folder / "fused.json", [folder / "fused.npy"]
    )
    found = {(d.what, d.here, d.paper) for d in deviations(read_report(run))}
    assert ("network: norm", "renorm", "batch") in found
    assert ("network: segmentation context", "3", "0") in found
    assert not any(what == "network: initial" for what, *_ in found)


def test_figures_have_claims_with_a_verdict_each(run, tmp_path):
    rng = np.random.default_rng(1)
    for seed in SEEDS:
        before, noise = rng.uniform(0, 0.01, (2, 3, 2))
        gradient = np.stack([before, before + 1 + noise], axis=2)
        decoded = np.stack([before + 1, before + noise], axis=2)
        area = np.full((3, 2), 0.5)
        attention = np.stack([np.add(before, (0.8, 0.2)), area], axis=2)
        path = tmp_path / "d" / "segfanet" / f"seed{seed}" / "features.npz"
        np.savez(
            path,
            tiles=np.arange(0),
            measured_tiles=np.arange(3),
            measured_gradient=gradient,
            measured_decoded=decoded,
            measured_attention=attention,
        )
        Record("features", {}).write(path.with_suffix(".json"), [path])
    claims = {(claim.text, claim.measure): claim for claim in figure_claims(read_report(run))}
    verdict = {key: claim.judgement.verdict for key, claim in claims.items()}
    more, holds = "f^R has more detail than f^S", "f^R holds more of the sources than f^S"
    for stage in ("stage 1", "stage 2"):
        assert verdict[more, f"gradient energy, {stage}"] == "supported"
        assert verdict[holds, f"linearly decoded share, {stage}"] == "contradicted"
    ((text, measure),) = [key for key in verdict if key[0].startswith("Attention")]
    assert verdict[text, measure] == "supported"
    assert "a 1.6" in measure
    assert {"EN", "SD", "NABF"} <= {measure for _, measure in verdict}
