"""From numbers to words: is a printed value reproduced, is a printed claim supported."""

import math

from reports.statistics import Interval

REPRODUCED_WITHIN = 0.02
CLOSE_WITHIN = 0.10
VERDICTS = ("reproduced", "close", "off")
CLAIMS = ("supported", "not distinguishable", "contradicted")


def relative_difference(ours: float, printed: float) -> float:
    """(ours − printed) / |printed|; NaN where one is missing or printed is 0."""
    if math.isnan(ours) or math.isnan(printed) or printed == 0:
        return math.nan
    return (ours - printed) / abs(printed)


def cell_verdict(ours: float, interval: Interval, printed: float, *, demonstration: bool) -> str:
    """Word one cell: one of `VERDICTS`, or "" where nothing can be said.

    Demonstration data are not the paper's, so that their cells get no verdict at all.
    """
    distance = abs(relative_difference(ours, printed))
    if demonstration or math.isnan(distance):
        return ""
    if distance <= REPRODUCED_WITHIN or (interval.known and printed in interval):
        return "reproduced"
    return "close" if distance <= CLOSE_WITHIN else "off"


def claim_verdict(tiles: Interval, seeds: Interval) -> str:
    """Word a claim that a component helps: one of `CLAIMS`.

    Args:
        tiles: of the paired difference over tiles, positive where the component helps.
        seeds: of the same difference over trainings; unknown with one seed, which therefore
            supports nothing: two trainings of one network differ as well.
    """
    if min(tiles.low, seeds.low) > 0:
        return "supported"
    if max(tiles.high, seeds.high) < 0:
        return "contradicted"
    return "not distinguishable"
