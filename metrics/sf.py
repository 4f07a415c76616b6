"""SF, spatial frequency: how strongly neighbouring pixels differ."""

import math

import numpy as np

from .metric import Metric
from .shared.arrays import Image, sum_of_products


def spatial_frequency(fused: Image, infrared: Image, visible: Image) -> float:
    """Compute √(RF² + CF²), in grey levels, 0 for a flat image.

    RF² is the mean squared difference of the H·(W−1) horizontal neighbours, CF² that of the
    (H−1)·W vertical ones. Zheng et al. (2007), often cited for it, define another quantity, a ratio
    with diagonals.
    """
    rows, columns = np.diff(fused, axis=1), np.diff(fused, axis=0)
    row_power = sum_of_products(rows, rows) / rows.size
    return math.sqrt(row_power + sum_of_products(columns, columns) / columns.size)


METRIC = Metric(
    name="sf",
    title="Spatial frequency",
    define=spatial_frequency,
    range=(0.0, 255 * math.sqrt(2)),
    unit="grey levels",
    formula="√(mean (∂x F)² + mean (∂y F)²), each mean over its own neighbour pairs",
    citation="Eskicioglu & Fisher, IEEE Trans. Commun. 43(12), 1995",
    equals=("CDDFuse SF", "FreeFusion SF", "Linfeng-Tang SF", "IVIF_ZOO SF"),
    minimum=2,
    fast=lambda pair: pair.sf(),
    side_by_side=True,
    place=1,
)
