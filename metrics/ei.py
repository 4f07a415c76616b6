"""EI, edge intensity: the mean strength of the fused image's edges."""

import math

import numpy as np

from .metric import Metric
from .shared.arrays import Image
from .shared.bands import bands
from .shared.edges import inner_sobel, strength


def edge_intensity(fused: Image, infrared: Image, visible: Image) -> float:
    """Average the Sobel strength √(sx² + sy²) over all pixels, border pixels being repeated."""
    around = np.pad(fused, 1, mode="edge")
    total = sum(float(strength(*inner_sobel(around[band])).sum()) for band in bands(len(around), 2))
    return total / fused.size


METRIC = Metric(
    name="ei",
    title="Edge intensity",
    define=edge_intensity,
    range=(0.0, 1020 * math.sqrt(2)),
    unit="grey levels",
    formula="mean √(sx² + sy²), Sobel responses of F with its border repeated",
    citation="Rajalingam & Priya, Int. J. Eng. Sci. Invent. 2(1), 2018",
    equals=("VIFB edge intensity", "thfylsty EI"),
    place=18,
)
