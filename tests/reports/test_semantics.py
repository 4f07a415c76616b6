"""The thesis that the semantics help is judged by controls, and only by those that ran."""

import numpy as np
import pytest

from reports.page import render
from reports.run import read_report
from reports.semantics import definitions
from reports.statistics import UNKNOWN
from tests.helpers.made_up_runs import TILES, make_learning, make_run, make_store, method, plan

RETRAINED = {"weights": {"origin": "retrained", "sha256": "0" * 64}}
THESIS = "The semantics help: SegFANet beats every control"
CONTROLS = [name for name, _ in definitions()["semantics"]]
WIDE = "segfanet_1sinet_wide"


def made(folder, levels, seeds, stands_for="", dead=""):
    """Write runs whose values are a level, a little other on each tile and seed."""
    data = folder / "d"
    make_store(data / "tiles")
    rng = np.random.default_rng(0)
    for row, level in levels.items():
        for seed in seeds:
            values = level + rng.uniform(0, 0.01, (TILES, 4)) + rng.uniform(0, 0.01)
            make_run(data, row, values, seed=seed, details=RETRAINED)
            make_learning(data, row, 2.0 if row == dead else 0.2, 0.2, seed)
    kinds = {row: "ablation" if row != "segfanet" else "proposed" for row in levels}
    methods = [method(row, kinds[row], row.upper(), seeds) for row in levels]
    datasets = [{"name": "d", "rows": list(levels), "stands_for": stands_for}]
    return read_report(plan(folder, methods, list(levels), datasets=datasets))


def verdicts(report, text):
    return {claim.judgement.verdict for claim in report.claims() if claim.text == text}


def test_no_claim_is_judged_without_a_control(tmp_path):
    report = made(tmp_path, {"segfanet": 5.0, "segfanet_1sinet": 4.0}, (0, 1, 2))
    assert not [claim for claim in report.claims() if claim.place == "Semantics"]
    assert not [table for table in report.tables if table.name == "semantics"]


@pytest.mark.parametrize("stands_for", ["", "whu"])
def test_the_thesis_is_supported_where_every_control_surely_loses(tmp_path, stands_for):
    levels = {"segfanet": 5.0, **dict.fromkeys([*CONTROLS, WIDE], 4.0)}
    report = made(tmp_path, levels, (0, 1, 2, 3), stands_for)
    assert verdicts(report, THESIS) == {"supported"}
    for _, text in definitions()["semantics"]:
        assert verdicts(report, text) == {"supported"}
    about = [claim for claim in report.claims() if claim.place == "Semantics"]
    assert {claim.network for claim in about} == {"ours"}
    assert {claim.backed for claim in about} == {None}, "the paper prints nothing of them"
    assert len(about) == 4 * (1 + len(CONTROLS) + 1)


def test_one_control_that_surely_wins_contradicts_it(tmp_path):
    levels = {"segfanet": 5.0, **dict.fromkeys(CONTROLS, 4.0), "segfanet_noise": 6.0}
    report = made(tmp_path, levels, (0, 1, 2, 3))
    assert verdicts(report, THESIS) == {"contradicted"}
    assert verdicts(report, "f^R helps by what it holds") == {"contradicted"}
    assert verdicts(report, "The segmentation loss helps") == {"supported"}


def test_more_parameters_are_another_question(tmp_path):
    levels = {"segfanet": 5.0, "segfanet_noise": 4.0, WIDE: 6.0}
    report = made(tmp_path, levels, (0, 1, 2, 3))
    assert verdicts(report, THESIS) == {"supported"}
    assert verdicts(report, "3 SINets help beyond their parameters") == {"contradicted"}
    only = made(tmp_path / "only", {"segfanet": 5.0, WIDE: 6.0}, (0, 1, 2, 3))
    assert not verdicts(only, THESIS), "nothing that lacks semantics ran"


def test_one_seed_decides_nothing_and_the_claim_says_how_many_do(tmp_path):
    report = made(tmp_path, {"segfanet": 5.0, **dict.fromkeys(CONTROLS, 1.0)}, (0,))
    about = [claim for claim in report.claims() if claim.place == "Semantics"]
    assert about
    for claim in about:
        assert claim.judgement.verdict == "undecided"
        assert claim.judgement.decide.startswith("at least 2 seeds to know their spread")
        assert claim.judgement.interval == UNKNOWN


def test_seeds_that_differ_more_than_the_networks_decide_nothing(tmp_path):
    report = made(tmp_path, {"segfanet": 5.0, "segfanet_noise": 4.9999}, (0, 1, 2))
    about = [claim for claim in report.claims() if claim.text == THESIS]
    assert {claim.judgement.verdict for claim in about} == {"undecided"}
    assert all("seeds" in claim.judgement.decide for claim in about)


def test_a_control_that_did_not_learn_shows_nothing(tmp_path):
    levels = {"segfanet": 5.0, "segfanet_noise": 4.0, "segfanet_frozen_encoder": 4.0}
    report = made(tmp_path, levels, (0, 1, 2), dead="segfanet_noise")
    assert verdicts(report, "f^R helps by what it holds") == {"did not learn"}
    assert verdicts(report, "Learning the segmentation encoder helps") == {"supported"}


def test_the_controls_have_a_table_of_their_own(tmp_path):
    levels = {"segfanet": 5.0, "segfanet_noise": 4.0, WIDE: 3.0}
    report = made(tmp_path, levels, (0, 1), "whu")
    (table,) = (table for table in report.tables if table.name == "semantics")
    assert [row.name for row in table.rows] == list(levels)
    assert table.identifier == "semantics_d"
    assert not table.paper
    assert not any(cell.printed for row in table.rows for cell in row.cells)
    assert table.rows[0].cells[0].rank == 1
    assert all(cell.test for row in table.rows[1:] for cell in row.cells)
    page = render(report)
    assert 'id="semantics_d"' in page
    assert THESIS in page
