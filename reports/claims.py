"""The paper's ablation claims, judged by our runs (docs/statistics.md)."""

import math
from dataclasses import dataclass

from metrics.registry import METRICS
from reports.analysis import Analysis
from reports.statistics import Interval
from reports.verdicts import claim_verdict


@dataclass(frozen=True)
class Claim:
    """One printed claim under one metric.

    difference: our mean with the component − our mean without it.
    interval, seeds: intervals of that difference over tiles and over trainings.
    printed: the same difference in the paper; NaN if the paper prints none.
    verdict: one of `reports.verdicts.CLAIMS`.
    """

    text: str
    metric: str
    difference: float
    interval: Interval
    seeds: Interval
    printed: float
    verdict: str

    @property
    def backed(self) -> bool | None:
        """Whether the paper's own two values support its claim; None if it prints none."""
        if math.isnan(self.printed):
            return None
        return METRICS[self.metric].sign * self.printed > 0


def build_claims(
    definitions: list[list[str]], analysis: Analysis, printed: dict[tuple[str, str], str]
) -> tuple[Claim, ...]:
    """Judge each claim of a table under each metric; claims without both runs are left out."""
    return tuple(
        _judge(having, lacking, text, metric, analysis, printed)
        for having, lacking, text in definitions
        if having in analysis.values and lacking in analysis.values
        for metric in analysis.metrics
    )


def _judge(
    having: str,
    lacking: str,
    text: str,
    metric: str,
    analysis: Analysis,
    printed: dict[tuple[str, str], str],
) -> Claim:
    result = analysis.compare(having, lacking, metric)
    seeds = analysis.seed_difference(having, lacking, metric)
    values = [float(printed.get((row, metric), "nan")) for row in (having, lacking)]
    better = METRICS[metric].larger_is_better
    verdict = claim_verdict(_turned(result.interval, better), _turned(seeds, better))
    return Claim(
        text, metric, result.difference, result.interval, seeds, values[0] - values[1], verdict
    )


def _turned(interval: Interval, larger_is_better: bool) -> Interval:
    return interval if larger_is_better else Interval(-interval.high, -interval.low)
