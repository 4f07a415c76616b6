"""Statistics of one data set: the values of all rows, aligned by tile, and their intervals."""

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from harness.errors import HarnessError
from metrics.registry import METRICS
from reports.plan import PlannedDataset, ReportPlan
from reports.printed import is_printed_sample
from reports.scores import Run
from reports.statistics import (
    UNKNOWN,
    Comparison,
    Interval,
    Ranking,
    Resampling,
    Values,
    compare,
    friedman,
    holm,
)
from reports.verdicts import Chance

REFERENCE = "segfanet"


class Analysis:
    """Values and intervals of one data set's rows that did not fail.

    Args:
        tiles: names of the test tiles.
        scenes: the scene of each tile.
        metrics: names of the metrics.
        values: row name → (seeds, tiles, metrics); NaN where a metric is undefined.
        trained: rows whose network is trained here: another seed would give another value.
        unlearned: row → why it is not judged: in words, the trainings that did not learn.
        printed_tiles: whether these are the tiles behind the paper's values. Then other scenes
            are no source of chance.
    """

    def __init__(
        self,
        tiles: list[str],
        scenes: list[str],
        metrics: tuple[str, ...],
        values: Mapping[str, Values],
        trained: Collection[str] = (),
        printed_tiles: bool = False,
        unlearned: Mapping[str, str] | None = None,
    ) -> None:
        self.tiles, self.scenes, self.metrics = tiles, scenes, metrics
        self.trained, self.printed_tiles = set(trained), printed_tiles
        self.values, self.unlearned = dict(values), dict(unlearned or {})

    @cached_property
    def resampling(self) -> Resampling:
        """The resamples of the tiles or scenes, the same for all rows."""
        return Resampling(self.scenes)

    @cached_property
    def by_tile(self) -> dict[str, Values]:
        """Row name → (tiles, metrics): mean over the seeds."""
        return {row: values.mean(axis=0) for row, values in self.values.items()}

    @cached_property
    def seed_means(self) -> dict[str, Values]:
        """Row name → (seeds, metrics): mean over the defined tiles of each seed."""
        return {row: _mean_of_defined(values) for row, values in self.values.items()}

    @cached_property
    def _replicates(self) -> dict[str, Values]:
        return {
            row: np.mean([self.resampling.means(values) for values in seeds], axis=0)
            for row, seeds in self.values.items()
        }

    def judged(self, row: str) -> bool:
        """Return whether a row takes part in ranks and verdicts: it has values, and it learned."""
        return row in self.values and row not in self.unlearned

    def mean(self, row: str, metric: str) -> float:
        """Return the mean over tiles, then over seeds; NaN for a row without values."""
        if row not in self.values:
            return math.nan
        return float(self.seed_means[row][:, self.metrics.index(metric)].mean())

    def interval(self, row: str, metric: str) -> Interval:
        """Return the interval of `mean` over tiles."""
        if row not in self.values:
            return UNKNOWN
        replicates = self._replicates[row][:, self.metrics.index(metric)]
        return self.resampling.interval(self.mean(row, metric), replicates)

    def seed_spread(self, row: str, metric: str) -> float:
        """Return the standard deviation of the mean over seeds; NaN with fewer than two."""
        means = self.seed_means.get(row)
        if means is None or len(means) < 2:
            return math.nan
        return float(means[:, self.metrics.index(metric)].std(ddof=1))

    def against(self, rows: Iterable[str], reference: str) -> dict[tuple[str, str], Comparison]:
        """Compare rows with a reference on each metric; Holm corrects all tests as one family."""
        if not self.judged(reference):
            return {}
        results = {
            (row, metric): self.compare(row, reference, metric)
            for row in rows
            if self.judged(row) and row != reference
            for metric in self.metrics
        }
        adjusted = holm([result.p for result in results.values()])
        return {
            key: replace(result, adjusted=p)
            for (key, result), p in zip(results.items(), adjusted, strict=True)
        }

    def compare(self, row: str, reference: str, metric: str) -> Comparison:
        """Compare two rows on one metric; both must have values."""
        column = self.metrics.index(metric)
        ours, other = self.by_tile[row][:, column], self.by_tile[reference][:, column]
        return compare(ours, other, self.resampling)

    def chances(self, metric: str, first: str, second: str = "") -> list[Chance]:
        """List what makes a row's mean, or the difference of two rows, a matter of chance.

        The counts of seeds and scenes are ours; the printed value is taken as it stands.
        """
        column = self.metrics.index(metric)
        rows = [first, *([second] if second else [])]
        found = [
            Chance("seeds", self.seed_spread(row, metric) ** 2, len(self.seed_means[row]))
            for row in rows
            if row in self.trained
        ]
        if not self.printed_tiles:
            values = self.by_tile[first][:, column]
            values = values - self.by_tile[second][:, column] if second else values
            error = self.resampling.error(self.resampling.means(values[:, None])[:, 0])
            units = "scenes" if self.resampling.by_scene else "tiles"
            count = self.resampling.count
            found.append(Chance(units, count * error**2, count))
        return found

    def difference(self, metric: str, first: str, second: str) -> float:
        """Return the mean of first − second over the tiles on which both are defined."""
        column = self.metrics.index(metric)
        values = self.by_tile[first][:, column] - self.by_tile[second][:, column]
        known = values[~np.isnan(values)]
        return float(known.mean()) if len(known) else math.nan


def _mean_of_defined(values: Values) -> Values:
    counts = (~np.isnan(values)).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.nansum(values, axis=1) / counts)


def analyse(plan: ReportPlan, dataset: PlannedDataset, runs: list[Run]) -> Analysis:
    """Align all runs of a data set by its tiles.

    Raises:
        HarnessError: naming the table that is about other tiles.
    """
    manifest = plan.store(dataset).rows("test")
    tiles = [row.tile for row in manifest]
    tables: dict[str, list[pd.DataFrame]] = {}
    for run in runs:
        if run.failure:
            continue
        if list(run.scores["tile"]) != tiles:
            raise HarnessError(
                f"{run.folder / 'scores.csv'}: its tiles are not those of the tile store; "
                "delete it and rerun"
            )
        tables.setdefault(run.row, []).append(run.scores)
    failed = {run.row for run in runs if run.failure}
    columns = list(plan.metrics_of(dataset))
    values = {
        row: np.stack([table[columns].to_numpy(np.float64) for table in seeds])
        for row, seeds in tables.items()
        if row not in failed
    }
    scenes = [row.scene for row in manifest]
    trained = {run.row for run in runs if run.trained or plan.method(run.row).trained}
    same = is_printed_sample(dataset.stands_for, scenes)
    unlearned: dict[str, list[str]] = {}
    for run in runs:
        if run.unlearned:
            unlearned.setdefault(run.row, []).append(f"seed {run.seed}: {run.unlearned}")
    why = {row: "; ".join(words) for row, words in unlearned.items()}
    return Analysis(tiles, scenes, tuple(columns), values, trained, same, why)


@dataclass(frozen=True)
class MeanRanks:
    """Friedman's ranking of the named rows."""

    rows: tuple[str, ...]
    ranking: Ranking


def mean_ranks(analyses: list[Analysis], rows: Iterable[str]) -> MeanRanks | None:
    """Rank rows over all data sets and metrics; None if too few rows have all values."""
    scores = {
        row: [_signed_mean(a, row, m) for a in analyses for m in a.metrics]
        for row in rows
        if not any(row in a.unlearned for a in analyses)
    }
    complete = {row: means for row, means in scores.items() if not np.isnan(means).any()}
    if not complete:
        return None
    ranking = friedman(np.array(list(complete.values())).T)
    return MeanRanks(tuple(complete), ranking) if ranking else None


def _signed_mean(analysis: Analysis, row: str, metric: str) -> float:
    return METRICS[metric].sign * analysis.mean(row, metric)
