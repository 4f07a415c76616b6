"""Verdicts: error rates where the truth is known, and the rules at their edges."""

import math

import numpy as np
import pytest

from reports.analysis import Analysis
from reports.claims import judge_rank
from reports.printed import distinct_comparisons, printed_ranks, printed_table, printed_values
from reports.verdicts import (
    REPEATABILITY,
    Chance,
    deciding,
    interval_of,
    judge,
    judge_sign,
    reach,
    relative_difference,
    rounding,
)
from tests.helpers.verdict_world import (
    NOISES,
    SHIFTS,
    claim_verdicts,
    order_verdicts,
    truth,
    value_verdicts,
)

DRAWS = 1000


@pytest.mark.parametrize("shift", SHIFTS)
@pytest.mark.parametrize("noise", NOISES, ids=lambda noise: noise.name)
def test_values_are_judged_wrong_in_5_of_100_cases_at_most(noise, shift):
    wrong = "differs" if truth(noise, shift) == "reproduced" else "reproduced"
    assert value_verdicts(noise, shift, DRAWS).count(wrong) <= 0.05 * DRAWS


def test_values_without_noise_are_always_decided():
    assert set(value_verdicts(NOISES[0], 0.0, 20)) == {"reproduced"}
    assert set(value_verdicts(NOISES[0], 0.01, 20)) == {"differs"}


@pytest.mark.parametrize("seeds", [2, 3, 10])
@pytest.mark.parametrize("effect", [-5, -0.2, 0, 0.2, 5])
def test_claims_are_judged_wrong_in_5_of_100_cases_at_most(seeds, effect):
    verdicts = claim_verdicts(seeds, effect, DRAWS)
    wrong = ["supported"] * (effect <= 0) + ["contradicted"] * (effect >= 0)
    assert sum(verdicts.count(word) for word in wrong) <= 0.05 * DRAWS


def test_effects_far_above_the_noise_are_found_and_those_below_are_left_open():
    assert claim_verdicts(10, 5, 200).count("supported") > 0.95 * 200
    assert claim_verdicts(3, 0.2, 200).count("undecided") > 0.9 * 200


@pytest.mark.parametrize(
    ("levels", "wrong"),
    [((0.06, 0.04, 0.02, 0.0), "broken"), ((0.4, 0.19, 0.2, 0.0), "holds")],
)
def test_orders_are_judged_wrong_in_5_of_100_cases_at_most(levels, wrong):
    assert order_verdicts(levels, 20, 200).count(wrong) <= 0.05 * 200


def test_a_wide_interval_reproduces_nothing_and_a_narrow_one_tells_three_per_cent():
    wide, narrow = ([Chance("scenes", v, 20, 20)] for v in (10.0, 1e-4))
    assert judge(1.4, wide, 0.0005).verdict == "undecided"
    assert judge(0.3, narrow, 0.0005).verdict == "differs"


def test_tolerance_is_the_rounding_of_the_print():
    assert rounding("0.310") == pytest.approx(0.0005)
    assert rounding("16.8724") == pytest.approx(0.00005)
    assert rounding("5") == 0.5
    assert judge(0.3105 - 0.310, [], rounding("0.310")).verdict == "reproduced"
    assert judge(0.3106 - 0.310, [], rounding("0.310")).verdict == "differs"


def test_one_seed_decides_nothing_and_says_so():
    unknown = [Chance("seeds", math.nan, 1, 1)]
    judged = judge(5.0, unknown, math.nan)
    assert judged.verdict == "undecided"
    assert judged.decide == "at least 2 seeds to know their spread"
    assert judge_sign(5.0, unknown, 1.0).verdict == "undecided"
    assert judge_sign(0.0, [], 1.0).decide == "nothing: the values are equal"


@pytest.mark.parametrize("printed", [0.0031, 0.5])
def test_named_number_of_seeds_is_the_smallest_that_finds_the_printed_effect(printed):
    chances = [Chance("seeds", 0.04, 3), Chance("seeds", 0.09, 3)]
    judged = judge_sign(0.01, chances, printed)
    count = int(judged.decide.split()[0].replace(",", ""))
    needed = [
        reach([Chance(c.units, c.variance, n) for c in chances], power=0.8)
        for n in (count - 1, count)
    ]
    assert needed[0] > printed >= needed[1]


def test_no_number_of_seeds_makes_up_for_a_single_printed_training():
    judged = judge(0.01, [Chance("seeds", 1.0, 3, 1)], REPEATABILITY * 0.5)
    assert judged.decide == "no number of seeds: the printed value rests on one training"
    assert deciding([Chance("seeds", 1.0, 3)], 0.5) == "25 seeds"


def test_degrees_of_freedom_are_welch_s():
    half = reach([Chance("seeds", 1.0, 10), Chance("seeds", 1.0, 10)], 0.95)
    assert half == pytest.approx(2.100922 * math.sqrt(0.2), rel=1e-6)
    assert not interval_of(1.0, [Chance("seeds", math.nan, 1)]).known


def test_distinct_comparisons_are_those_of_the_printed_file():
    values = printed_values()
    data = values["table"].map(lambda table: "potsdam" if table == 2 else "whu")
    distinct = set(zip(data, values["method"], values["metric"], strict=True))
    assert len(values) == 92
    assert distinct_comparisons() == distinct
    assert len(distinct) == 72


def test_printed_ranks_are_the_paper_s():
    printed = printed_table(1)
    assert printed_ranks(printed, "sf", True) == {"limfusion": 1, "segfanet": 2}
    assert printed_ranks(printed, "ag", True) == {"segfanet": 1, "tardal": 2}


def exact(**levels):
    """Return an analysis of the paper's own tiles: no value is a matter of chance."""
    values = {name: np.array([[[level]]]) for name, level in levels.items()}
    return Analysis(["t"], ["s"], ("sf",), values, printed_tiles=True)


@pytest.mark.parametrize(
    ("levels", "place", "verdict"),
    [
        ({"a": 3.0, "b": 2.0, "c": 1.0}, 1, "supported"),
        ({"a": 2.0, "b": 3.0, "c": 1.0}, 1, "contradicted"),
        ({"a": 2.0, "b": 3.0, "c": 1.0}, 2, "supported"),
        ({"a": 3.0, "b": 2.0, "c": 1.0}, 2, "contradicted"),
        ({"a": 2.0, "b": 2.0, "c": 1.0}, 1, "undecided"),
        ({"a": 3.0, "b": 2.0}, 1, "undecided"),
        ({"b": 2.0, "c": 1.0}, 1, "not run"),
    ],
)
def test_rank_claims(levels, place, verdict):
    rows = {name: name for name in levels}
    judged = judge_rank(exact(**levels), rows, ["a", "b", "c"], "a", "sf", place)
    assert judged.verdict == verdict
    if "c" not in levels:
        assert judged.decide == "c did not run"


def test_relative_difference_is_signed_and_needs_both_values():
    assert relative_difference(1.1, 1.0) == pytest.approx(0.1)
    assert math.isnan(relative_difference(1.0, math.nan))
    assert math.isnan(relative_difference(1.0, 0.0))
