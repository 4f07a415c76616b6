"""Student's t, and means with their intervals in words."""

import math
from functools import cache

import numpy as np

from .shared.arrays import Values

CONFIDENCE = 0.95
# Beyond this many degrees of freedom the series of the normal quantile is exact to ten digits.
MANY = 1000
NORMAL = 1.959963984540054


@cache
def student_t(degrees: int) -> float:
    """Return the half-width of a 95 % interval, in standard errors, for whole degrees of freedom.

    The share of Student's distribution between −t and t is a finite sum in the angle whose tangent
    is t/√degrees (Abramowitz & Stegun, 26.7.3 and 26.7.4); bisection inverts it.
    """
    if degrees > MANY:
        z = NORMAL
        first, second = (z**3 + z) / 4, (5 * z**5 + 16 * z**3 + 3 * z) / 96
        third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
        return z + first / degrees + second / degrees**2 + third / degrees**3
    low, high = 0.0, math.pi / 2
    for _ in range(60):
        angle = (low + high) / 2
        low, high = (angle, high) if _share(angle, degrees) < CONFIDENCE else (low, angle)
    return math.tan(low) * math.sqrt(degrees)


def _share(angle: float, degrees: int) -> float:
    odd = degrees % 2
    sine, cosine = math.sin(angle), math.cos(angle)
    steps = np.arange(1, (degrees - odd) // 2)
    factors = (2 * steps - 1 + odd) / (2 * steps + odd) * cosine**2
    total = float(1 + np.cumprod(factors).sum()) * sine
    if not odd:
        return total
    return 2 / math.pi * (angle + (cosine * total if degrees > 1 else 0))


def summary(values: Values) -> str:
    """Word the mean of some values, its 95 % interval, and how many are undefined."""
    defined = values[~np.isnan(values)]
    undefined = len(values) - len(defined)
    note = f"  undefined for {undefined} of {len(values)}, left out" if undefined else ""
    if not len(defined):
        return f"{'–':>12}{note}"
    if len(defined) == 1 or np.isinf(defined).any():
        return f"{defined.mean():12.5g}{note}"
    half = student_t(len(defined) - 1) * defined.std(ddof=1) / math.sqrt(len(defined))
    return f"{defined.mean():12.5g} ± {half:.2g}{note}"
