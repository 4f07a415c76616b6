"""Intervals, tests and effect sizes of values per tile; docs/statistics.md states the rules.

Tiles of one scene resemble each other. Where there are enough scenes, whole scenes are therefore
resampled and tested. Arrays are float64; NaN marks a tile on which a metric is undefined.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import scipy
from numpy.typing import NDArray

Values = NDArray[np.float64]
LEVEL = 0.95
REPLICATES = 4000
MIN_SCENES = 5
"""With fewer scenes, tiles are the units: so few scenes do not show how much scenes differ."""
EXACT_UNITS = 16
"""With at most this many units, the test tries all 2^(n − 1) patterns of their signs."""


@dataclass(frozen=True)
class Interval:
    """A 95 % interval; its ends are infinite if the data allow no interval."""

    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high

    @property
    def known(self) -> bool:
        """Whether both ends are finite."""
        return math.isfinite(self.low) and math.isfinite(self.high)


UNKNOWN = Interval(-math.inf, math.inf)


class Resampling:
    """One set of bootstrap resamples; all methods share it, so differences are paired.

    Args:
        scenes: the scene of each tile.
        replicates: number of resamples.
        seed: seed of the resamples; the same seed gives the same intervals.

    Attributes:
        units: (N,) index of the unit to which each tile belongs.
        count: number of units.
        by_scene: True if the units are scenes, False if they are tiles.
    """

    def __init__(self, scenes: Sequence[str], replicates: int = REPLICATES, seed: int = 0) -> None:
        names, index = np.unique(np.asarray(scenes, dtype=str), return_inverse=True)
        self.by_scene = MIN_SCENES <= len(names) < len(scenes)
        self.units = index if self.by_scene else np.arange(len(scenes))
        self.count = len(names) if self.by_scene else len(scenes)
        drawn = np.random.default_rng(seed).multinomial(
            self.count, np.full(self.count, 1 / max(self.count, 1)), size=replicates
        )
        self.weights = drawn.astype(np.float64)

    def means(self, values: Values) -> Values:
        """Return the mean of the defined tiles in each resample.

        Args:
            values: (N, K), one column per metric.

        Returns:
            (replicates, K); NaN if a resample contains no defined tile.
        """
        defined = ~np.isnan(values)
        sums = self._by_unit(np.where(defined, values, 0.0))
        counts = self._by_unit(defined.astype(np.float64))
        with np.errstate(invalid="ignore"):
            return np.asarray((self.weights @ sums) / (self.weights @ counts))

    def _by_unit(self, values: Values) -> Values:
        total = np.zeros((self.count, values.shape[1]))
        np.add.at(total, self.units, values)
        return total

    def error(self, replicates: Values) -> float:
        """Return the standard error of a mean from its replicates (R,); NaN with one unit.

        Resamples of n units spread too little; the factor √(n / (n − 1)) corrects this.
        """
        finite = replicates[np.isfinite(replicates)]
        if self.count < 2 or not len(finite):
            return math.nan
        return float(finite.std()) * math.sqrt(self.count / (self.count - 1))

    def interval(self, estimate: float, replicates: Values) -> Interval:
        """Return Student's interval around an estimate; replicates (R,) give its standard error.

        Percentiles are not used, because with few units they are too narrow (Hesterberg, The
        American Statistician 69(4), 2015, sections 4 and 5).
        """
        error = self.error(replicates)
        if not math.isfinite(error) or not math.isfinite(estimate):
            return UNKNOWN
        reach = student(self.count - 1) * error
        return Interval(estimate - reach, estimate + reach)


def student(freedom: float, level: float = LEVEL) -> float:
    """Return how many standard errors an interval of a level reaches to either side."""
    return float(scipy.special.stdtrit(freedom, (1 + level) / 2))


@dataclass(frozen=True)
class Comparison:
    """Paired test of one method against another on one metric.

    difference: mean of method − reference.
    effect: matched-pairs rank-biserial correlation, −1 to 1.
    p: two-sided; 1 if nothing can be said. adjusted: p after Holm's correction.
    """

    difference: float
    interval: Interval
    effect: float
    p: float
    adjusted: float = math.nan


def signed_ranks(differences: Values) -> Values:
    """Return Wilcoxon's signed ranks; a zero has no rank and gets 0, ties share their mean rank."""
    ranks = np.zeros(len(differences))
    moved = differences != 0
    ranks[moved] = scipy.stats.rankdata(np.abs(differences[moved])) * np.sign(differences[moved])
    return ranks


def rank_biserial(differences: Values) -> float:
    """Return the share of the rank sum in favour minus that against (Kerby 2014); 0 if all tie."""
    ranks = signed_ranks(differences)
    total = float(np.abs(ranks).sum())
    return float(ranks.sum()) / total if total else 0.0


def signed_rank_p(differences: Values, units: NDArray[np.intp]) -> float:
    """Return the two-sided p of the Wilcoxon signed-rank test with tiles clustered into units.

    If each unit is one tile, this is scipy's test. Otherwise signed ranks are summed per unit.
    Without an effect each sum is as likely as its opposite (Rosner, Glynn & Lee, Biometrics 62,
    2006). With few units all signs are tried, which is exact; with more the total is normal.

    Args:
        differences: (N,) without NaN.
        units: (N,) unit of each difference.
    """
    moved = differences != 0
    if not moved.any():
        return 1.0
    _, index, sizes = np.unique(units, return_inverse=True, return_counts=True)
    if sizes.max() == 1:
        return float(scipy.stats.wilcoxon(differences[moved]).pvalue)
    sums = np.bincount(index, weights=signed_ranks(differences))
    total = abs(float(sums.sum()))
    if total == 0:
        return 1.0
    if len(sums) <= EXACT_UNITS:
        # Rank sums are multiples of a half, so the comparison is free of rounding errors.
        return float(np.mean(np.abs(_signs(len(sums)) @ sums) >= total))
    return float(2 * scipy.stats.norm.sf(total / math.sqrt(float(sums @ sums))))


@cache
def _signs(count: int) -> Values:
    """Return all signs of `count` units, (2^(count − 1), count); the first unit keeps its sign."""
    patterns = np.arange(2 ** (count - 1))[:, None] >> np.arange(count - 1)
    turned = 1.0 - 2.0 * (patterns & 1)
    return np.column_stack([np.ones(len(turned)), turned])


def compare(method: Values, reference: Values, resampling: Resampling) -> Comparison:
    """Compare two methods' values (N,) on the tiles on which both are defined."""
    differences = np.where(np.isnan(reference), np.nan, method - reference)
    defined = ~np.isnan(differences)
    if not defined.any():
        return Comparison(math.nan, UNKNOWN, 0.0, 1.0)
    kept = differences[defined]
    mean = float(kept.mean())
    return Comparison(
        mean,
        resampling.interval(mean, resampling.means(differences[:, None])[:, 0]),
        rank_biserial(kept),
        signed_rank_p(kept, resampling.units[defined]),
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p by Holm's step-down correction (Scand. J. Statist. 6, 1979); keep the order."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return [float(value) for value in adjusted]


@dataclass(frozen=True)
class Ranking:
    """Friedman's test over blocks, and Nemenyi's critical difference of mean ranks at 5 %."""

    mean_ranks: tuple[float, ...]
    blocks: int
    p: float
    critical_difference: float


def friedman(scores: Values) -> Ranking | None:
    """Rank k methods in each of n blocks (Demšar, JMLR 7, 2006).

    Args:
        scores: (n, k), larger is better, no NaN.

    Returns:
        None with fewer than three methods or two blocks, because the test then says nothing.
    """
    blocks, methods = scores.shape
    if blocks < 2 or methods < 3:
        return None
    ranks = scipy.stats.rankdata(-scores, axis=1)
    tied = bool(np.all(np.ptp(scores, axis=1) == 0))
    p = 1.0 if tied else float(scipy.stats.friedmanchisquare(*scores.T).pvalue)
    quantile = float(scipy.stats.studentized_range.ppf(LEVEL, methods, np.inf)) / math.sqrt(2)
    return Ranking(
        tuple(float(rank) for rank in ranks.mean(axis=0)),
        blocks,
        p,
        quantile * math.sqrt(methods * (methods + 1) / (6 * blocks)),
    )


def kendall_tau(ours: Sequence[float], printed: Sequence[float]) -> float:
    """Return Kendall's τ-b of two scorings of the same methods; NaN with fewer than two."""
    if len(ours) < 2:
        return math.nan
    return float(scipy.stats.kendalltau(ours, printed).statistic)
