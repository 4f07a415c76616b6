"""What `harness.stages.features` keeps of SegFANet: maps for figures, measures for claims."""

from collections.abc import Callable, Iterator

import numpy as np

from harness.disk.records import check_artefact, read_record
from harness.pixels import Float
from reports.plan import PlannedDataset, ReportPlan
from reports.statistics import Values

PREFIX = "measured_"
"""Names of the arrays that `harness.fusing.feature_measures` returns; the others are maps."""


def read_features(plan: ReportPlan, dataset: PlannedDataset) -> dict[int, dict[str, Float]]:
    """Read the feature maps of the first seed by tile; empty if none are kept."""
    for arrays in _kept(plan, dataset, lambda name: not name.startswith(PREFIX)):
        tiles = arrays.pop("tiles")
        return {
            int(tile): {
                name.partition(".")[0]: array
                for name, array in arrays.items()
                if name.partition(".")[2] == str(place)
            }
            for place, tile in enumerate(tiles)
        }
    return {}


def read_measures(plan: ReportPlan, dataset: PlannedDataset) -> list[dict[str, Values]]:
    """Read what was measured of SegFANet's features, one mapping per seed that has them."""
    measured = _kept(plan, dataset, lambda name: name.startswith(PREFIX))
    return [{k: v.astype(np.float64) for k, v in arrays.items()} for arrays in measured if arrays]


def _kept(
    plan: ReportPlan, dataset: PlannedDataset, wanted: Callable[[str], bool]
) -> Iterator[dict[str, Float]]:
    """Yield the wanted arrays of every seed; others are not even unpacked."""
    folder = plan.results / dataset.name / "segfanet"
    for path in sorted(folder.glob("seed*/features.npz")):
        check_artefact(read_record(path.with_suffix(".json")), path)
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files if wanted(name)}
        yield arrays
