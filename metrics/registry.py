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
from metrics.cc import cc
from metrics.en import en
from metrics.errors import MetricError
from metrics.mi import mi
from metrics.ms_ssim import ms_ssim
from metrics.mse import mse
from metrics.nabf import nabf
from metrics.nmi import nmi
from metrics.psnr import psnr
from metrics.qabf import qabf
from metrics.scd import scd, scd_uint8
from metrics.sd import sd
from metrics.sf import sf
from metrics.ssim import ssim
from metrics.vif import vif, vif_mean
from metrics.viff import viff

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

    @property
    def sign(self) -> int:
        """1 or −1, so that a value times it is larger where the image is better."""
        return 1 if self.larger_is_better else -1

    @property
    def arrow(self) -> str:
        """The better direction as a character."""
        return "↑" if self.larger_is_better else "↓"


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
        Metric(
            name="en",
            title="Entropy",
            function=en,
            larger_is_better=True,
            range=(0.0, 8.0),
            unit="bits",
            formula="−Σ p log₂ p over the 256 levels of F",
            citation="Roberts et al., J. Appl. Remote Sens. 2(1), 2008",
            equals=(
                "CDDFuse EN",
                "Linfeng-Tang EN",
                "VIFB entropy",
                "scikit-image shannon_entropy",
            ),
        ),
        Metric(
            name="sd",
            title="Standard deviation",
            function=sd,
            larger_is_better=True,
            range=(0.0, 127.5),
            unit="grey levels",
            formula="√ mean (F − mean F)²",
            citation="textbook definition",
            equals=(
                "CDDFuse SD",
                "Linfeng-Tang SD",
                "VIFB standard deviation",
                "IVIF_ZOO SD",
            ),
        ),
        Metric(
            name="mi",
            title="Mutual information",
            function=mi,
            larger_is_better=True,
            range=(0.0, 16.0),
            unit="bits",
            formula="I(F; I) + I(F; V)",
            citation="Qu, Zhang & Yan, Electron. Lett. 38(7), 2002",
            equals=(
                "CDDFuse MI / ln 2",
                "IVIF_ZOO MI",
            ),
        ),
        Metric(
            name="nmi",
            title="Normalised mutual information",
            function=nmi,
            larger_is_better=True,
            range=(0.0, 2.0),
            unit="1",
            formula="2 (I(F; I)/(H(F) + H(I)) + I(F; V)/(H(F) + H(V)))",
            citation="Hossny, Nahavandi & Creighton, Electron. Lett. 44(18), 2008",
            equals=("zhengliu6699 metricMI, option 1",),
            undefined="the fused image and a source are both flat",
        ),
        Metric(
            name="cc",
            title="Correlation coefficient",
            function=cc,
            larger_is_better=True,
            range=(-1.0, 1.0),
            unit="1",
            formula="(r(F, I) + r(F, V)) / 2",
            citation="Deshmukh & Bhosale, Int. J. Image Process. 4(5), 2010",
            equals=(
                "CDDFuse CC",
                "Linfeng-Tang CC",
                "IVIF_ZOO CC",
            ),
            undefined="one of the three images is flat",
        ),
        Metric(
            name="psnr",
            title="Peak signal-to-noise ratio",
            function=psnr,
            larger_is_better=True,
            range=(0.0, math.inf),
            unit="dB",
            formula="10 log₁₀ (255² / mse)",
            citation="Jagalingam & Hegde, Aquat. Procedia 4, 2015",
            equals=("none: each evaluator takes another peak",),
        ),
        Metric(
            name="mse",
            title="Mean squared error",
            function=mse,
            larger_is_better=False,
            range=(0.0, 255.0**2),
            unit="squared grey levels",
            formula="(mean (F − I)² + mean (F − V)²) / 2",
            citation="Jagalingam & Hegde, Aquat. Procedia 4, 2015",
            equals=("CDDFuse MSE",),
        ),
        Metric(
            name="ssim",
            title="Structural similarity, sum over both sources",
            function=ssim,
            larger_is_better=True,
            range=(-2.0, 2.0),
            unit="1",
            formula="SSIM(F, I) + SSIM(F, V), 11×11 Gaussian of σ 1.5",
            citation="Wang et al., IEEE Trans. Image Process. 13(4), 2004",
            equals=(
                "VIFB SSIM",
                "scikit-image, gaussian_weights, twice",
            ),
        ),
        Metric(
            name="ms_ssim",
            title="Multi-scale structural similarity, sum over both sources",
            function=ms_ssim,
            larger_is_better=True,
            range=(0.0, 2.0),
            unit="1",
            formula="MS-SSIM(F, I) + MS-SSIM(F, V), five scales",
            citation="Wang, Simoncelli & Bovik, Asilomar Conf., 2003",
            equals=("piq multi_scale_ssim, twice, where all sides are even",),
        ),
        Metric(
            name="qabf",
            title="Edge information transferred",
            function=qabf,
            larger_is_better=True,
            range=(0.0, 1.0),
            unit="1",
            formula="Σ (Qᴵ gᴵ + Qⱽ gⱽ) / Σ (gᴵ + gⱽ), Sobel strength g",
            citation="Xydeas & Petrović, Electron. Lett. 36(4), 2000",
            equals=(
                "CDDFuse Qabf",
                "Linfeng-Tang Qabf",
                "IVIF_ZOO Qabf",
            ),
            undefined="both sources are black",
        ),
        Metric(
            name="nabf",
            title="Artefacts of fusion",
            function=nabf,
            larger_is_better=False,
            range=(0.0, 1.0),
            unit="1",
            formula="Σ n ((1 − Qᴵ) wᴵ + (1 − Qⱽ) wⱽ) / Σ (wᴵ + wⱽ), n where F's edge is strongest",
            citation="Kumar, Signal Image Video Process. 7(6), 2013",
            equals=("Linfeng-Tang Nabf",),
        ),
        Metric(
            name="viff",
            title="Han's visual information fidelity for fusion",
            function=viff,
            larger_is_better=True,
            range=(0.0, math.inf),
            unit="1",
            formula="Σₛ pₛ Σ VID / Σ VIND, each window of the source with the smaller gain",
            citation="Han et al., Inf. Fusion 14(2), 2013",
            equals=("VIFF_Public.m of its authors",),
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
    # Papers and our own tables write VIF.
    close = difflib.get_close_matches(name.lower(), names, n=2, cutoff=0.5)
    return f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(names)}"
