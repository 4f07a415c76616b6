"""Statistics against closed forms, scipy, and simulations whose truth is known."""

import math

import numpy as np
import pytest
from scipy import stats

from reports.statistics import (
    UNKNOWN,
    Resampling,
    compare,
    friedman,
    holm,
    kendall_tau,
    rank_biserial,
    signed_rank_p,
)


def clustered(rng, scenes, tiles, between=1.0, within=1.0):
    """Draw values with a shared part per scene: (scenes · tiles,), true mean 0."""
    shared = np.repeat(rng.normal(0, between, scenes), tiles)
    return shared + rng.normal(0, within, scenes * tiles)


def names(scenes, tiles):
    return [f"s{i}" for i in np.repeat(np.arange(scenes), tiles)]


def coverage(rng, scenes, tiles, labels, cases):
    """Return the share of simulated cases whose interval contains the true mean, 0."""
    values = np.stack([clustered(rng, scenes, tiles) for _ in range(cases)], axis=1)
    resampling = Resampling(labels, replicates=1500)
    columns = zip(values.mean(axis=0), resampling.means(values).T, strict=True)
    return np.mean([0.0 in resampling.interval(mean, column) for mean, column in columns])


@pytest.mark.parametrize(("scenes", "tiles"), [(5, 8), (7, 6), (20, 4), (40, 1)])
def test_interval_covers_the_truth_in_95_of_100_cases(scenes, tiles):
    covered = coverage(np.random.default_rng(1), scenes, tiles, names(scenes, tiles), 4000)
    assert 0.94 <= covered <= 0.96


def test_ignoring_scenes_would_cover_too_little():
    labels = [f"t{i}" for i in range(100)]
    assert coverage(np.random.default_rng(2), 10, 10, labels, 300) < 0.75


def test_interval_is_student_s_for_a_plain_mean():
    values = np.random.default_rng(3).normal(5, 2, (200, 1))
    resampling = Resampling([str(i) for i in range(200)], replicates=20_000)
    interval = resampling.interval(values.mean(), resampling.means(values)[:, 0])
    reach = stats.t.ppf(0.975, 199) * values.std(ddof=1) / math.sqrt(200)
    assert interval.low == pytest.approx(values.mean() - reach, abs=0.02 * reach)
    assert interval.high == pytest.approx(values.mean() + reach, abs=0.02 * reach)


def test_difference_is_paired():
    rng = np.random.default_rng(4)
    tiles = rng.normal(0, 100, 60)
    result = compare(tiles + 1 + rng.normal(0, 0.1, 60), tiles, Resampling(["s"] * 60))
    assert result.difference == pytest.approx(1, abs=0.05)
    assert result.interval.high - result.interval.low < 0.1
    assert result.effect == 1
    assert result.p < 1e-9


def test_p_is_scipy_s_where_units_are_tiles():
    differences = np.random.default_rng(5).normal(0.2, 1, 40)
    ours = signed_rank_p(differences, np.arange(40))
    assert ours == stats.wilcoxon(differences).pvalue


@pytest.mark.parametrize(
    ("scenes", "tiles", "between"),
    [(7, 10, 1.0), (7, 10, 3.0), (10, 10, 1.0), (20, 5, 1.0), (30, 1, 1.0)],
)
def test_false_positives_stay_at_5_of_100(scenes, tiles, between):
    rng = np.random.default_rng(6)
    units = np.repeat(np.arange(scenes), tiles)
    p = [signed_rank_p(clustered(rng, scenes, tiles, between), units) for _ in range(4000)]
    # The standard error of 4000 trials is 0.35 percentage points.
    assert 0.035 <= np.mean(np.array(p) <= 0.05) <= 0.05


def test_clustered_p_counts_the_signs_of_the_scenes():
    # Ranks 1 to 8, summed by scene: 3, 7, 11 and −15, in total 6.
    differences = np.array([1.0, 2, 3, 4, 5, 6, -7, -8])
    units = np.repeat(np.arange(4), 2)
    totals = [
        abs(a * 3 + b * 7 + c * 11 + d * 15)
        for a in (-1, 1)
        for b in (-1, 1)
        for c in (-1, 1)
        for d in (-1, 1)
    ]
    assert signed_rank_p(differences, units) == np.mean([total >= 6 for total in totals])
    # If all scenes agree, 2 of 16 patterns are as extreme: this one and its opposite.
    assert signed_rank_p(np.abs(differences), units) == 2 / 16
    assert signed_rank_p(differences, np.zeros(8, np.intp)) == 1


def test_whole_family_of_comparisons_errs_in_5_of_100():
    rng = np.random.default_rng(7)
    units = np.arange(30)
    wrong = [
        min(holm([signed_rank_p(rng.normal(size=30), units) for _ in range(8)])) <= 0.05
        for _ in range(400)
    ]
    assert np.mean(wrong) <= 0.05 + 0.03


def test_known_effect_is_found():
    rng = np.random.default_rng(8)
    units = np.repeat(np.arange(7), 20)
    found = [signed_rank_p(clustered(rng, 7, 20, 0.2) + 1, units) <= 0.05 for _ in range(100)]
    assert np.mean(found) > 0.95


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.5]) == pytest.approx([0.04, 0.09, 0.09, 0.5])
    assert holm([]) == []


def test_rank_biserial_by_hand():
    # Ranks 1, 2, 3: two in favour (1 and 3), one against (2).
    assert rank_biserial(np.array([0.1, -0.2, 0.3])) == pytest.approx((4 - 2) / 6)
    assert rank_biserial(np.zeros(3)) == 0


def test_friedman_is_scipy_s_and_the_critical_difference_demsar_s():
    scores = np.random.default_rng(9).normal(size=(10, 5))
    ranking = friedman(scores)
    assert ranking.p == stats.friedmanchisquare(*scores.T).pvalue
    assert sum(ranking.mean_ranks) == pytest.approx(15)
    # Table 5(a) of the paper: q is 2.728 for five methods.
    assert ranking.critical_difference == pytest.approx(2.728 * math.sqrt(30 / 60), rel=1e-3)
    assert friedman(np.array([[3.0, 1.0, 2.0]] * 4)).mean_ranks == (1, 3, 2)
    assert friedman(scores[:1]) is None
    assert friedman(scores[:, :2]) is None
    assert friedman(np.ones((4, 3))).p == 1


def test_tau_by_hand():
    assert kendall_tau([1, 2, 3, 4], [1, 2, 4, 3]) == pytest.approx(4 / 6)
    assert math.isnan(kendall_tau([1], [1]))


def test_one_tile_has_no_interval_and_no_test():
    result = compare(np.array([2.0]), np.array([1.0]), Resampling(["s"]))
    assert result.interval == UNKNOWN
    assert result.p == 1


def test_undefined_tiles_are_left_out():
    method = np.array([1.0, np.nan, 3.0, 4.0])
    reference = np.array([0.0, 0.0, np.nan, 2.0])
    result = compare(method, reference, Resampling(list("abcd")))
    assert result.difference == 1.5
    nothing = compare(np.full(4, np.nan), reference, Resampling(list("abcd")))
    assert math.isnan(nothing.difference)
    assert nothing.p == 1


def test_equal_methods_do_not_differ():
    values = np.arange(10.0)
    result = compare(values, values, Resampling([str(i) for i in range(10)]))
    assert (result.difference, result.effect, result.p) == (0, 0, 1)


def test_same_seed_gives_the_same_interval():
    values = np.random.default_rng(10).normal(size=(30, 2))
    first, second = (Resampling(names(6, 5)).means(values) for _ in range(2))
    assert np.array_equal(first, second)
