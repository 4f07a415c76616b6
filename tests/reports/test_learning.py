"""What the report says of trainings: whether they learned, how, and what it then judges."""

import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from harness.errors import HarnessError
from reports.audit import describe_audit, measure_choices
from reports.deviations import deviations
from reports.diagrams import curve_diagram
from reports.evidence import figure_claims
from reports.formats import to_csv, to_latex, to_markdown
from reports.learning import Learning, why_unlearned
from reports.learning_section import learning_of
from reports.page import render
from reports.quality import quality_checks
from reports.run import read_report
from reports.stages.complete import check_complete
from tests.helpers.made_up_runs import TILES, make_learning, make_run, make_store, method, plan

RETRAINED = {"weights": {"origin": "retrained", "sha256": "0" * 64}}
SEEDS = (0, 1)
LOG = [
    {"step": 1, "fusion": 1.5, "segmentation": 3.0, "loss": 4.5},
    {"step": 10, "fusion": 0.25, "segmentation": 0.5, "loss": 0.75},
    {"step": 10, "validation_loss": 0.9},
]


def made(folder, *, dead=("segfanet", 1), demonstration=False, classes=("a", "b")):
    """Write a run of SegFANet, of which one seed did not learn, beside others that did."""
    data = folder / "d"
    make_store(data / "tiles", classes=classes)
    rng = np.random.default_rng(0)
    rows = ["segfanet", "segfanet+minmax", "segfanet_1sinet", "ydtr", "umfusion", "average"]
    for place, row in enumerate(rows):
        trained = row.startswith("segfanet") or row == "umfusion"
        for seed in SEEDS if trained else (0,):
            values = rng.uniform(1, 1.1, (TILES, 4)) + (9 if row == "segfanet" else place)
            make_run(data, row, values, seed=seed, details=RETRAINED if trained else {})
            if trained and "+" not in row:
                died = (row, seed) == dead
                make_learning(data, row, 2.0 if died else 0.21, 0.2, seed, log=LOG)
    make_run(data, "loss_optimum", np.ones((TILES, 4)))
    make_learning(data, "loss_optimum", 0.19, 0.2)
    methods = [
        method("segfanet", "proposed", "SegFANet", SEEDS),
        method("segfanet_1sinet", "ablation", "1 SINet", SEEDS),
        method("ydtr", title="YDTR"),
        method("umfusion", title="UMFusion", seeds=SEEDS),
        method("average", "control", "Average"),
        method("loss_optimum", "control", "Loss optimum"),
    ]
    planned = plan(folder, methods, [*rows, "loss_optimum"], demonstration=demonstration)
    return read_report(planned)


@pytest.fixture
def report(tmp_path):
    return made(tmp_path)


def rows_of(report, number):
    (table,) = (table for table in report.tables if table.number == number)
    return {row.name: row for row in table.rows}, table


@pytest.mark.parametrize("demonstration", [False, True])
def test_one_dead_seed_marks_every_cell_of_its_rows(tmp_path, demonstration):
    report = made(tmp_path, demonstration=demonstration)
    for number, names in ((1, ("segfanet", "segfanet+minmax")), (3, ("segfanet",))):
        rows, table = rows_of(report, number)
        for name in names:
            row = rows[name]
            assert row.unranked == "did not learn"
            assert row.unlearned.startswith("seed 1: its held-out L_f of 2.000 is above 3 × 0.200")
            for cell in row.cells:
                assert (cell.rank, cell.judgement.verdict) == (0, "did not learn")
                assert math.isfinite(cell.ours), "the value stays to be seen"
                assert cell.test is None
            title = f"| {row.title} (did not learn)"
            (line,) = (
                line
                for line in to_markdown(table).splitlines()
                if line.startswith(title) and f"| {row.output} |" in line
            )
            assert line.count("(did not learn)") == 1 + len(row.cells)
        assert to_latex(table).count("did not learn") >= len(names) * 4
        assert to_csv(table).count("seed 1: its held-out") == len(names)
    rows, _ = rows_of(report, 1)
    assert sorted(row.cells[0].rank for row in rows.values())[-2:] == [1, 2]
    assert rows["umfusion"].unlearned == "" == rows["ydtr"].unlearned


def test_no_claim_order_or_test_is_judged_by_it(report):
    claims = [*report.claims(), *figure_claims(report)]
    about = [c for c in claims if c.text.startswith(("SegFANet", "3 SINets"))]
    assert about
    assert {claim.judgement.verdict for claim in about} <= {"did not learn", "not run"}
    assert any("SegFANet did not learn" in claim.judgement.decide for claim in about)
    _, table = rows_of(report, 1)
    assert not any("SegFANet" in word for order in table.orders for word in order.reversed)
    assert all(order.pairs == 1 for order in table.orders), "YDTR and UMFusion alone"
    for shown in report.tables:
        assert not any(cell.test for row in shown.rows for cell in row.cells)


def test_a_network_that_learned_is_judged_as_before(tmp_path):
    report = made(tmp_path, dead=())
    assert not report.unlearned()
    rows, _ = rows_of(report, 1)
    assert rows["segfanet"].cells[0].rank == 1
    assert rows["ydtr"].cells[0].test
    verdicts = {claim.judgement.verdict for claim in report.claims()}
    assert "did not learn" not in verdicts
    page = render(report)
    assert "trainings did not learn" not in page
    assert "(did not learn)" not in page


def test_checks_and_the_last_lines_name_the_run(report, tmp_path):
    (check,) = (c for c in quality_checks(report) if c.title == "Trainings that did not learn")
    assert check.alarming
    reason = "its held-out L_f of 2.000 is above 3 × 0.200, that of the plain average"
    assert check.findings == (f"d: segfanet, seed 1: {reason}",)
    assert not any(
        "SegFANet" in f for c in quality_checks(report) for f in c.findings if "beats" in f
    )
    check_complete(report, tmp_path / "complete.txt")
    text = (tmp_path / "complete.txt").read_text()
    assert "1 trainings did not learn" in text
    assert "d: segfanet (seed 1): its held-out L_f" in text


def test_a_failed_run_is_listed_beside_what_did_not_learn(report, tmp_path):
    make_run(tmp_path / "d", "broken", failure="no luck")
    methods = [*report.plan.methods.values()]
    listed = [vars(m) for m in methods] + [method("broken")]
    again = read_report(plan(tmp_path, listed, [*report.plan.datasets[0].rows, "broken"]))
    with pytest.raises(HarnessError, match=r"(?s)1 runs failed.*broken.*1 trainings did not learn"):
        check_complete(again, tmp_path / "complete.txt")


def test_the_audit_and_mean_ranks_leave_it_out(report, tmp_path):
    dataset = report.plan.datasets[0]
    analysis = report.analyses["d"]
    table = measure_choices(report.plan, dataset, analysis)
    audit = describe_audit(report.plan, "d", table, analysis.unlearned)
    assert any(line["title"] == "SegFANet (did not learn)" for line in audit["lines"])
    for choice in audit["choices"]:
        assert "SegFANet" not in choice["picture"]
        assert "UMFusion" in choice["picture"]
    assert deviations(report)


def test_the_section_shows_losses_curves_and_segmentation(tmp_path):
    data, report = tmp_path / "d", made(tmp_path)
    confusion = [[30, 10], [20, 40]]
    make_learning(
        data, "segfanet", 0.25, 0.2, 0, log=LOG, confusion=confusion,
        reconstructed=[[0.5, -0.25], [None, 0.125]],
        terms={"eval": {"fusion": 0.5, "loss": 1.0}, "train": {"fusion": 0.25, "loss": 0.75}},
    )  # fmt: skip
    report = read_report(report.plan)
    (part,) = learning_of(report)
    assert (part["average"], part["optimum"]) == (pytest.approx(0.2), pytest.approx(0.19))
    assert part["labelled"]
    run = next(r for r in part["runs"] if (r.row, r.seed) == ("segfanet", 0))
    assert run.learning.mean_iou == pytest.approx((30 / 60 + 40 / 70) / 2)
    assert run.learning.accuracy == pytest.approx(0.7)
    assert run.learning.gap == pytest.approx(0.5)
    assert run.correlations == ["+0.50 / -0.25", "+nan / +0.12"]
    page = render(report)
    section = page[page.index('id="learning"') : page.index('id="controls"')]
    for words in ("plain average 0.200", "0.190", "0.536", "0.700", "+0.500", "did not learn"):
        assert words in section, words
    for name in ("fusion 0.25", "segmentation 0.5", "loss 0.75", "validation_loss 0.9"):
        assert name in section


def test_without_labels_the_section_says_so(tmp_path):
    data = tmp_path / "d"
    report = made(tmp_path)
    make_learning(data, "segfanet", 0.25, 0.2, confusion=[[0, 0], [0, 0]])
    page = render(read_report(report.plan))
    assert "No test tile has labels" in page
    assert re.search(r'class="absent">no labels</span>', page)


def test_a_run_whose_network_was_not_measured_says_why(tmp_path):
    report = made(tmp_path)
    make_learning(tmp_path / "d", "umfusion", 0.25, 0.2, failure="killed (SIGKILL)")
    page = render(read_report(report.plan))
    assert "UMFusion, seed 0, was not measured in full: killed (SIGKILL)" in page


def test_damaged_measures_are_refused_by_name(tmp_path):
    report = made(tmp_path)
    (tmp_path / "d/segfanet/seed0/learned.json").write_text("{}")
    with pytest.raises(HarnessError, match=r"learned\.json: content differs"):
        read_report(report.plan)


@settings(deadline=None)
@given(arrays(np.int64, (4, 4), elements=st.integers(0, 9)))
def test_intersection_over_union_counts_pixels(confusion):
    learning = Learning(0.1, 0.1, confusion=confusion.astype(float))
    labels, guesses = np.nonzero(np.ones((4, 4)))
    truth, guess = (np.repeat(x, confusion.ravel()) for x in (labels, guesses))
    expected = []
    for index in range(4):
        union = ((truth == index) | (guess == index)).sum()
        both = ((truth == index) & (guess == index)).sum()
        expected.append(both / union if union else math.nan)
    np.testing.assert_allclose(learning.iou, expected)
    if len(truth):
        assert learning.mean_iou == pytest.approx(np.nanmean(expected))
        assert learning.accuracy == pytest.approx((truth == guess).mean())
    else:
        assert math.isnan(learning.mean_iou)
        assert math.isnan(learning.accuracy)


@pytest.mark.parametrize(
    ("changes", "segfanet", "reason"),
    [
        ({}, True, ""),
        ({"loss": 0.59}, True, ""),
        ({"loss": 0.61}, True, "above 3 × 0.200"),
        ({"loss": 2.0}, False, ""),
        ({"response": 0.0}, False, "do not depend on the inputs"),
        ({"response": 0.5}, False, ""),
        ({"finite": False}, False, "not finite"),
        ({"terms": {"eval": {"a": math.inf}}}, False, "not finite"),
        ({"loss": math.nan, "response": math.nan}, True, ""),
    ],
)
def test_what_counts_as_not_learned(changes, segfanet, reason):
    found = why_unlearned(Learning(**{"loss": 0.2, "average": 0.2, **changes}), segfanet=segfanet)
    assert reason in found
    assert bool(found) == bool(reason)


@given(
    st.lists(
        st.lists(
            st.fixed_dictionaries(
                {"step": st.integers(1, 10**6)},
                optional={name: st.floats(-1e6, 1e6) | st.just(math.nan) for name in "abcdefghi"},
            ),
            max_size=4,
        ),
        max_size=3,
    )
)
def test_any_log_can_be_drawn_inside_its_frame(logs):
    picture = str(curve_diagram(logs, "<b>"))
    assert "<b>" not in picture
    for points in re.findall(r' points="([^"]+)"', picture):
        for point in points.split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= 400
            assert 0 <= y <= 400
