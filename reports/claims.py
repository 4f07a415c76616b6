"""The paper's claims about its tables, judged by our runs (docs/statistics.md)."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from metrics.registry import METRICS
from reports.analysis import Analysis
from reports.learning import UNLEARNED
from reports.plan import PlannedDataset
from reports.printed import LITERAL, TITLES, Printed, printed_table, table_definitions
from reports.rows import representatives
from reports.statistics import Interval
from reports.verdicts import SURE, Chance, Judgement, deciding, interval_of, judge_sign

NOT_RUN = "not run"
"""Verdict of a claim about rows without values."""
UNJUDGED = (NOT_RUN, UNLEARNED)
"""Verdicts of claims about rows that are not judged."""
PLACES = {1: "best", 2: "second best"}


@dataclass(frozen=True)
class Claim:
    """One claim of the paper under one metric.

    place: the table or figure. dataset: ours. measure: what is measured, in words.
    judgement: its verdict, one of `reports.verdicts.CLAIMS` or `UNJUDGED`; its difference is
        positive where the claim holds.
    printed: the same difference in the paper; NaN if it prints none.
    backed: whether the paper's own values support its claim; None if it prints none.
    network: which SegFANet is judged, `literal` or `ours`; "" where it plays no part.
    """

    place: str
    dataset: str
    text: str
    measure: str
    judgement: Judgement
    printed: float = math.nan
    backed: bool | None = None
    network: str = ""


def table_claims(dataset: PlannedDataset, analysis: Analysis) -> list[Claim]:
    """Judge all claims about the tables of the data set that one of ours stands for."""
    definitions = [d for d in table_definitions() if d["stands_for"] == dataset.stands_for]
    return [claim for d in definitions for claim in _TableClaims(dataset.name, analysis, d).all()]


class _TableClaims:
    """The claims about one table, and the rows of ours that stand for its methods."""

    def __init__(self, dataset: str, analysis: Analysis, definition: dict[str, Any]) -> None:
        self.dataset, self.analysis, self.definition = dataset, analysis, definition
        self.printed: Printed = printed_table(definition["number"])
        self.methods = list(dict.fromkeys(method for method, _ in self.printed))
        self.rows = representatives(analysis, self.methods, "rows" not in definition)
        self.metrics = [m for m in analysis.metrics if (self.methods[0], m) in self.printed]

    def all(self) -> Iterator[Claim]:
        for metric, place in self.definition.get("ranks", {}).items():
            if metric in self.metrics:
                judgement = self._rank("segfanet", metric, place)
                yield self._claim(f"SegFANet is {PLACES[place]}", metric.upper(), judgement)
        for having, lacking, text, *only in self.definition.get("pairs", []):
            for metric in self.metrics:
                if not only or metric in only[0]:
                    yield self._pair(having, lacking, text, metric)
        if "most" in self.definition and self.metrics:
            method, text = self.definition["most"]
            yield self._claim(text, "most metrics", self._most(method))

    def _claim(
        self,
        text: str,
        measure: str,
        judgement: Judgement,
        printed: float = math.nan,
        backed: bool = True,
    ) -> Claim:
        place = f"Table {self.definition['number']}"
        network = "literal" if self.rows.get("segfanet") == LITERAL else "ours"
        return Claim(place, self.dataset, text, measure, judgement, printed, backed, network)

    def _pair(self, having: str, lacking: str, text: str, metric: str) -> Claim:
        first, second = (float(self.printed[method, metric]) for method in (having, lacking))
        # The decimals of the print are no binary fractions.
        printed = METRICS[metric].sign * round(first - second, 9)
        judgement = judge_pair(self.analysis, self.rows, having, lacking, metric, printed)
        return self._claim(text, metric.upper(), judgement, printed, printed > 0)

    def _rank(self, method: str, metric: str, place: int) -> Judgement:
        return judge_rank(self.analysis, self.rows, self.methods, method, metric, place)

    def _most(self, method: str) -> Judgement:
        verdicts = [self._rank(method, metric, 1).verdict for metric in self.metrics]
        needed = len(verdicts) // 2 + 1
        if verdicts.count("supported") >= needed:
            verdict = "supported"
        elif len(verdicts) - verdicts.count("contradicted") < needed:
            verdict = "contradicted"
        else:
            same = set(verdicts) <= {verdicts[0]} & set(UNJUDGED)
            verdict = verdicts[0] if same else "undecided"
        counts = ", ".join(f"{verdicts.count(v)} {v}" for v in dict.fromkeys(verdicts))
        return Judgement(verdict, decide=f"best by metric: {counts}")


@dataclass(frozen=True)
class Absent:
    """The methods of a claim that cannot be judged, with the reason."""

    methods: Mapping[str, str]

    @staticmethod
    def of(analysis: Analysis, rows: Mapping[str, str], methods: Iterable[str]) -> "Absent":
        """Find them among `methods`; `rows` is method → the row that stands for it."""
        reasons = {
            method: UNLEARNED if rows.get(method) in analysis.unlearned else "did not run"
            for method in methods
            if not analysis.judged(rows.get(method, ""))
        }
        return Absent(reasons)

    def words(self) -> list[str]:
        """Return one sentence per reason."""
        named: dict[str, list[str]] = {}
        for method, reason in self.methods.items():
            named.setdefault(reason, []).append(TITLES.get(method, method))
        return [f"{', '.join(names)} {reason}" for reason, names in named.items()]

    def judgement(self) -> Judgement:
        """Return the judgement of a claim about them."""
        verdict = UNLEARNED if UNLEARNED in self.methods.values() else NOT_RUN
        return Judgement(verdict, decide="; ".join(self.words()))


@dataclass(frozen=True)
class Duel:
    """Two rows under one metric; the difference is positive if the first one is better."""

    other: str
    difference: float
    chances: Sequence[Chance]

    @staticmethod
    def of(analysis: Analysis, metric: str, first: str, second: str, other: str = "") -> "Duel":
        """Compare two rows that have values; `other` names the second in words."""
        difference = METRICS[metric].sign * analysis.difference(metric, first, second)
        return Duel(other, difference, analysis.chances(metric, first, second))

    def interval(self, level: float = SURE) -> Interval:
        """Return the interval of the difference."""
        return interval_of(self.difference, self.chances, level)


def judge_pair(
    analysis: Analysis,
    rows: Mapping[str, str],
    better: str,
    other: str,
    metric: str,
    printed: float = math.nan,
) -> Judgement:
    """Judge the claim that a method is better than another; `printed` is their difference there."""
    absent = Absent.of(analysis, rows, (better, other))
    if absent.methods:
        return absent.judgement()
    duel = Duel.of(analysis, metric, rows[better], rows[other])
    return judge_sign(duel.difference, duel.chances, printed)


def judge_rank(
    analysis: Analysis,
    rows: Mapping[str, str],
    methods: Sequence[str],
    method: str,
    metric: str,
    place: int,
) -> Judgement:
    """Judge the claim that a method takes a place among others, 1 for the best.

    It is supported if the method surely loses to place − 1 others and surely beats the rest;
    contradicted if it surely loses to more, or beats more, at that level for all others together
    (Bonferroni). The difference shown is that to the best one that it should beat.
    """
    others = [other for other in methods if other != method]
    absent = Absent.of(analysis, rows, others)
    if not analysis.judged(rows.get(method, "")):
        return Absent.of(analysis, rows, [method]).judgement()
    if len(absent.methods) == len(others):
        return absent.judgement()
    duels = [
        Duel.of(analysis, metric, rows[method], rows[other], TITLES.get(other, other))
        for other in others
        if other not in absent.methods
    ]
    duels.sort(key=lambda duel: duel.difference)
    shown = duels[min(place, len(duels)) - 1]
    joint = [duel.interval(1 - (1 - SURE) / len(others)) for duel in duels]
    beaten = len(others) - place + 1
    open_ = [duel for duel in duels if 0 in duel.interval()]
    decide = ""
    if sum(i.high < 0 for i in joint) >= place or sum(i.low > 0 for i in joint) > beaten:
        verdict = "contradicted"
    elif not open_ and sum(duel.difference > 0 for duel in duels) == beaten:
        verdict = "supported"
    else:
        verdict = "undecided"
        needed: dict[str, list[str]] = {}
        for duel in open_:
            words = deciding(duel.chances, abs(duel.difference))
            needed.setdefault(words, []).append(duel.other)
        decide = "; ".join(f"{words} ({', '.join(names)})" for words, names in needed.items())
        decide = "; ".join([*filter(None, [decide]), *absent.words()])
    return Judgement(verdict, shown.difference, shown.interval(), decide=decide)
