"""Verdicts: whether a printed value is reproduced, and whether a printed claim is supported."""

import math

from reports.statistics import Interval

REPRODUCED_WITHIN = 0.02
CLOSE_WITHIN = 0.10
VERDICTS = ("reproduced", "close", "off")
CLAIMS = ("supported", "not distinguishable", "contradicted")


def relative_difference(ours: float, printed: float) -> float:
    """Return (ours − printed) / |printed|; NaN if one is missing or printed is 0."""
    if math.isnan(ours) or math.isnan(printed) or printed == 0:
        return math.nan
    return (ours - printed) / abs(printed)


def cell_verdict(ours: float, interval: Interval, printed: float, *, demonstration: bool) -> str:
    """Return the verdict of one cell: one of `VERDICTS`, or "" if nothing can be said.

    Demonstration data are not the paper's data, so their cells get no verdict.
    """
    distance = abs(relative_difference(ours, printed))
    if demonstration or math.isnan(distance):
        return ""
    if distance <= REPRODUCED_WITHIN or (interval.known and printed in interval):
        return "reproduced"
    return "close" if distance <= CLOSE_WITHIN else "off"


def claim_verdict(tiles: Interval, seeds: Interval) -> str:
    """Return the verdict of a claim that a component helps: one of `CLAIMS`.

    Args:
        tiles: interval of the paired difference over tiles, positive if the component helps.
        seeds: interval of the same difference over trainings. It is unknown with one seed, and
            then no claim is supported, because two trainings of one network differ as well.
    """
    if min(tiles.low, seeds.low) > 0:
        return "supported"
    if max(tiles.high, seeds.high) < 0:
        return "contradicted"
    return "not distinguishable"
