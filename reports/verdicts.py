"""Verdicts: equivalence tests of our values against printed ones (docs/statistics.md).

The interval of a difference holds every source of chance behind both values. A verdict needs the
whole interval on one side of a limit; otherwise it is undecided, and `deciding` says what would
decide it.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from scipy import special

from reports.statistics import LEVEL, UNKNOWN, Interval, student

VERDICTS = ("reproduced", "differs", "undecided")
"""Verdicts of a value that the paper prints."""
CLAIMS = ("supported", "contradicted", "undecided")
"""Verdicts of a claim about two or more values."""
REPEATABILITY = math.sqrt(2) * float(special.ndtri((1 + LEVEL) / 2))
"""Two trainings of one network differ by at most this many seed spreads in 95 % of cases: the
repeatability limit of ISO 5725-6."""
SURE = 0.98
"""Level of the interval that speaks against something: above 95 %, because with few or skewed
scenes an interval of 95 % covers less (docs/statistics.md), and verdicts err in 5 % at most."""
POWER = 0.8
MOST_UNITS = 10**6
"""`deciding` looks no further."""
PRINTED_UNITS = {
    "seeds": "one training",
    "scenes": "other scenes, not known to us",
    "tiles": "other tiles, not known to us",
}
"""Why more units on our side alone may not decide anything."""


@dataclass(frozen=True)
class Chance:
    """One source of chance in a difference.

    units: what varies: `seeds`, `scenes` or `tiles`.
    variance: variance of one unit; NaN if there are too few to know it.
    count: number of units behind our value.
    printed: number of units behind the printed value; infinite if it is taken as it stands.
    """

    units: str
    variance: float
    count: int
    printed: float = math.inf

    @property
    def contribution(self) -> float:
        """Variance that this source adds to the difference."""
        return self.variance * (1 / self.count + 1 / self.printed)


@dataclass(frozen=True)
class Judgement:
    """One verdict, and what it rests on.

    difference: ours − printed, or the difference that a claim is about.
    interval: its interval at the level `SURE`.
    tolerance: differences up to this one count as none.
    decide: what would decide an undecided case; "" otherwise.
    """

    verdict: str
    difference: float = math.nan
    interval: Interval = UNKNOWN
    tolerance: float = math.nan
    decide: str = ""


def reach(chances: Sequence[Chance], level: float = SURE, power: float = 0.0) -> float:
    """Return half the width of the interval of a difference; infinite if a spread is unknown.

    Student's quantile at the degrees of freedom of Welch and Satterthwaite. With a power, the
    effect that such an interval keeps off 0 in that share of cases.
    """
    parts = [(chance.contribution, chance.count - 1) for chance in chances]
    total = sum(part for part, _ in parts)
    if math.isnan(total):
        return math.inf
    if total == 0:
        return 0.0
    freedom = total**2 / sum(part**2 / count for part, count in parts)
    quantiles = student(freedom, level) + (student(freedom, 2 * power - 1) if power else 0.0)
    return quantiles * math.sqrt(total)


def interval_of(difference: float, chances: Sequence[Chance], level: float = SURE) -> Interval:
    """Return the interval of a difference; it is unknown if a spread is."""
    half = reach(chances, level)
    if not math.isfinite(half + difference):
        return UNKNOWN
    return Interval(difference - half, difference + half)


def rounding(printed: str) -> float:
    """Return half a unit of the last printed digit: what the print rounds away at most."""
    return 0.5 * 10.0 ** -len(printed.partition(".")[2])


def judge(difference: float, chances: Sequence[Chance], tolerance: float) -> Judgement:
    """Judge a value against the printed one: one of `VERDICTS`.

    Args:
        difference: ours − printed.
        chances: sources of chance behind both.
        tolerance: largest difference that counts as none.
    """
    interval = interval_of(difference, chances)
    # The decimals of the print are no binary fractions.
    limit = tolerance * (1 + 1e-9) + 1e-12 * abs(difference)
    decide = ""
    if abs(difference) + reach(chances, LEVEL) <= limit:
        verdict = "reproduced"
    elif interval.low > limit or interval.high < -limit:
        verdict = "differs"
    else:
        verdict = "undecided"
        level = LEVEL if abs(difference) <= tolerance else SURE
        decide = deciding(chances, abs(abs(difference) - tolerance), level)
    return Judgement(verdict, difference, interval, tolerance, decide)


def judge_sign(difference: float, chances: Sequence[Chance], printed: float) -> Judgement:
    """Judge the claim that a difference is positive: one of `CLAIMS`.

    Args:
        difference: ours, its sign turned where a smaller value is better.
        chances: sources of chance behind it.
        printed: the same difference in the paper; NaN if it prints none.
    """
    interval = interval_of(difference, chances)
    if interval.low > 0:
        verdict = "supported"
    else:
        verdict = "contradicted" if interval.high < 0 else "undecided"
    # Without a printed effect, the question is what would find ours.
    effect = abs(difference if math.isnan(printed) or printed == 0 else printed)
    decide = deciding(chances, effect, power=POWER) if verdict == "undecided" else ""
    return Judgement(verdict, difference, interval, effect, decide)


def deciding(
    chances: Sequence[Chance], margin: float, level: float = SURE, power: float = 0.0
) -> str:
    """Say how many units bring the reach of the interval down to a margin, if any number does.

    All else stays as it is: the difference, the spreads, and the units behind the print.
    """
    unknown = [chance for chance in chances if math.isnan(chance.variance)]
    if unknown:
        least = max(chance.count for chance in unknown) + 1
        return f"at least {max(least, 2)} {unknown[0].units} to know their spread"
    units = list(dict.fromkeys(chance.units for chance in chances if chance.variance > 0))
    if not units:
        return "nothing: the values are equal"
    together = [units] if len(units) > 1 else []
    for varied in [*([name] for name in units), *together]:
        count = _smallest(lambda n: reach(_with(chances, varied, n), level, power) <= margin)  # noqa: B023
        if count:
            return f"{count:,} " + " and ".join(varied)
    fixed = [PRINTED_UNITS[c.units] for c in chances if math.isfinite(c.printed) and c.variance > 0]
    reason = (
        f"the printed value rests on {fixed[0]}" if fixed else f"even {MOST_UNITS:,} are too few"
    )
    return f"no number of {' or '.join(units)}: {reason}"


def _with(chances: Sequence[Chance], varied: Sequence[str], count: int) -> list[Chance]:
    return [
        replace(chance, count=max(chance.count, count)) if chance.units in varied else chance
        for chance in chances
    ]


def _smallest(enough: Callable[[int], bool]) -> int:
    """Return the smallest count from 2 to `MOST_UNITS` that is enough; 0 if none is."""
    if not enough(MOST_UNITS):
        return 0
    low, high = 1, MOST_UNITS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def relative_difference(ours: float, printed: float) -> float:
    """Return (ours − printed) / |printed|; NaN if one is missing or printed is 0."""
    if math.isnan(ours) or math.isnan(printed) or printed == 0:
        return math.nan
    return (ours - printed) / abs(printed)
