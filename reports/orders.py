"""Does the printed order of the methods hold? One verdict per table and metric."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import permutations

from metrics.registry import METRICS
from reports.analysis import Analysis
from reports.printed import TITLES, Printed
from reports.statistics import kendall_tau
from reports.verdicts import SURE, interval_of

ORDERS = ("holds", "broken", "undecided")
"""Verdicts of an order."""


@dataclass(frozen=True)
class Order:
    """The order of the methods under one metric, against the printed one.

    pairs: number of pairs of methods whose printed values differ and that were run.
    reversed, undecided: these pairs in words, the printed better one first.
    tau: Kendall's τ-b between our order and the printed one.
    """

    metric: str
    verdict: str
    pairs: int
    reversed: tuple[str, ...]
    undecided: tuple[str, ...]
    tau: float


def judge_orders(
    analysis: Analysis, printed: Printed, rows: Mapping[str, str]
) -> tuple[Order, ...]:
    """Judge the order of at least two methods under each metric.

    It holds if every pair surely does; it is broken if any pair is surely reversed, at that level
    for all pairs together (Bonferroni).

    Args:
        analysis: values of the data set.
        printed: the table's printed values.
        rows: method → the row that stands for it; one that did not learn takes no part.
    """
    rows = {method: row for method, row in rows.items() if analysis.judged(row)}
    return tuple(
        _judge(analysis, printed, metric, rows)
        for metric in analysis.metrics
        if sum((method, metric) in printed for method in rows) > 1
    )


def _judge(analysis: Analysis, printed: Printed, metric: str, rows: Mapping[str, str]) -> Order:
    sign = METRICS[metric].sign
    values = {m: sign * float(printed[m, metric]) for m in rows if (m, metric) in printed}
    pairs = [(a, b) for a, b in permutations(values, 2) if values[a] > values[b]]
    reversed_, undecided = [], []
    for better, worse in pairs:
        first, second = rows[better], rows[worse]
        difference = sign * analysis.difference(metric, first, second)
        chances = analysis.chances(metric, first, second)
        words = f"{TITLES.get(better, better)} over {TITLES.get(worse, worse)}"
        if interval_of(difference, chances, 1 - (1 - SURE) / len(pairs)).high < 0:
            reversed_.append(words)
        elif not interval_of(difference, chances).low > 0:
            undecided.append(words)
    verdict = "broken" if reversed_ else "undecided" if undecided else "holds"
    ours = [sign * analysis.mean(rows[method], metric) for method in values]
    tau = kendall_tau(ours, list(values.values()))
    return Order(metric, verdict, len(pairs), tuple(reversed_), tuple(undecided), tau)
