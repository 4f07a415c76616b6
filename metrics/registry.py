"""The metrics this package defines: name, meaning, direction, range, source.

Importing this module is cheap: neither scipy nor a compiler is loaded before something is measured.
"""

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from metrics.ag import ag, ag_mn1
from metrics.arrays import MetricFunction
from metrics.errors import MetricError
from metrics.scd import scd, scd_uint8
from metrics.sf import sf
from metrics.vif import vif, vif_mean

# The four metrics of the paper's tables, in their order.
PAPER = ("sf", "ag", "scd", "vif")


@dataclass(frozen=True)
class Metric:
    """What a reader must know to use a number.

    Attributes:
        name: key in `METRICS` and column name in the tables.
        title: full name.
        function: (fused, infrared, visible), each (B, H, W) on the 0-255 scale, to (B,) float64.
        larger_is_better: the direction the field reads it in.
        range: smallest and largest value an image can have, infinite where there is no bound.
        unit: unit of the value, "1" for a pure number.
        formula: the definition, with F fused, I infrared, V visible.
        citation: the paper that defines it.
        equals: public implementations that give this value, and under which name.
        undefined: when the value is NaN; empty when it never is on finite pixels.
    """

    name: str
    title: str
    function: MetricFunction
    larger_is_better: bool
    range: tuple[float, float]
    unit: str
    formula: str
    citation: str
    equals: tuple[str, ...]
    undefined: str = ""


def _by_name(metrics: Iterable[Metric]) -> Mapping[str, Metric]:
    return MappingProxyType({metric.name: metric for metric in metrics})


METRICS: Mapping[str, Metric] = _by_name(
    [
        Metric(
            name="sf",
            title="Spatial frequency",
            function=sf,
            larger_is_better=True,
            range=(0.0, 255 * math.sqrt(2)),
            unit="grey levels",
            formula="√(mean (∂x F)² + mean (∂y F)²), each mean over its own neighbour pairs",
            citation="Eskicioglu & Fisher, IEEE Trans. Commun. 43(12), 1995",
            equals=("CDDFuse SF", "FreeFusion SF", "Linfeng-Tang SF", "IVIF_ZOO SF"),
        ),
        Metric(
            name="ag",
            title="Average gradient",
            function=ag,
            larger_is_better=True,
            range=(0.0, 255.0),
            unit="grey levels per pixel",
            formula="Σ √((gx² + gy²) / 2) / (H·W), central differences, one-sided at the border",
            citation="Cui et al., Opt. Commun. 341, 2015",
            equals=("CDDFuse AG", "FreeFusion AG", "IVIF_ZOO AG"),
        ),
        Metric(
            name="scd",
            title="Sum of the correlations of differences",
            function=scd,
            larger_is_better=True,
            range=(-2.0, 2.0),
            unit="1",
            formula="r(F − V, I) + r(F − I, V)",
            citation="Aslantas & Bendes, AEU Int. J. Electron. Commun. 69(12), 2015",
            equals=("CDDFuse SCD", "FreeFusion SCD", "Linfeng-Tang SCD", "IVIF_ZOO SCD"),
            undefined="a source is flat, or the fused image is a source plus a constant",
        ),
        Metric(
            name="vif",
            title="Visual information fidelity, sum over both sources",
            function=vif,
            larger_is_better=True,
            range=(0.0, math.inf),
            unit="1",
            formula="Σ over I, V of Σ log(1 + g²σ²ᵣ/(σ²ᵥ + 2)) / Σ log(1 + σ²ᵣ/2), four scales",
            citation="Sheikh & Bovik, IEEE Trans. Image Process. 15(2), 2006",
            equals=("CDDFuse VIFF", "FreeFusion VIFF", "Linfeng-Tang VIF", "sewar vifp, twice"),
            undefined="a source is flat",
        ),
    ]
)

VARIANTS: Mapping[str, Metric] = _by_name(
    [
        Metric(
            name="ag_mn1",
            title="Average gradient, other divisor",
            function=ag_mn1,
            larger_is_better=True,
            range=(0.0, math.inf),
            unit="grey levels per pixel",
            formula="Σ √((gx² + gy²) / 2) / ((H−1)·(W−1))",
            citation="Cui et al., Opt. Commun. 341, 2015",
            equals=("Linfeng-Tang AG", "VIFB average gradient", "thfylsty avg_gradient"),
        ),
        Metric(
            name="scd_uint8",
            title="SCD on saturating uint8 differences",
            function=scd_uint8,
            larger_is_better=True,
            range=(-2.0, 2.0),
            unit="1",
            formula="r(max(F − V, 0), I) + r(max(F − I, 0), V)",
            citation="Aslantas & Bendes, AEU Int. J. Electron. Commun. 69(12), 2015",
            equals=("thfylsty SCD as shipped",),
            undefined="a source or one of the clipped differences is flat",
        ),
        Metric(
            name="vif_mean",
            title="Visual information fidelity, mean over both sources",
            function=vif_mean,
            larger_is_better=True,
            range=(0.0, math.inf),
            unit="1",
            formula="vif / 2",
            citation="Sheikh & Bovik, IEEE Trans. Image Process. 15(2), 2006",
            equals=("sewar vifp, mean of both sources",),
            undefined="a source is flat",
        ),
    ]
)


def find(name: str) -> Metric:
    """Look up a metric of `METRICS` or `VARIANTS`.

    Raises:
        MetricError: there is none of that name; names the closest ones.
    """
    known = {**METRICS, **VARIANTS}
    if name not in known:
        raise MetricError(f"unknown metric {name!r}; {suggest(name, known)}")
    return known[name]


def suggest(name: str, known: Iterable[str]) -> str:
    """Word a hint for a misspelt name: the closest known ones, or else all of them."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=2, cutoff=0.5)
    return f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(names)}"
