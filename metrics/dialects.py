"""Public evaluators that published numbers came from, reproduced; none is ever the default."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike

from metrics import ivif_zoo
from metrics.ag import ag, ag_mn1
from metrics.arrays import Image, MetricFunction, Values, per_image
from metrics.cc import cc
from metrics.en import en
from metrics.errors import MetricError
from metrics.histograms import entropy, joint_histogram, levels
from metrics.histograms import histogram as levels_histogram
from metrics.mi import mi
from metrics.moments import MIN_SIZE
from metrics.mse import mse, squared_error
from metrics.nabf import nabf
from metrics.qabf import qabf
from metrics.registry import find, suggest
from metrics.scd import scd
from metrics.sd import sd
from metrics.sf import sf
from metrics.ssim import ssim
from metrics.vif import fidelities, vif


@dataclass(frozen=True)
class Dialect:
    """A public evaluator.

    Attributes:
        name: key in `DIALECTS`.
        title: the project, and where in it the evaluator is.
        functions: what it measures, by our name of the metric.
        notes: how it departs from our definitions, in one sentence.
    """

    name: str
    title: str
    functions: Mapping[str, MetricFunction]
    notes: str


def functions(names: Sequence[str], dialect: str | None = None) -> dict[str, MetricFunction]:
    """Look up the functions behind some metrics, as we or a dialect define them.

    Raises:
        MetricError: an unknown metric or dialect, or one the dialect does not have.
    """
    if dialect is None:
        return {name: find(name).function for name in names}
    if dialect not in DIALECTS:
        raise MetricError(f"unknown dialect {dialect!r}; {suggest(dialect, DIALECTS)}")
    known = DIALECTS[dialect].functions
    for name in names:
        if name not in known:
            raise MetricError(f"dialect {dialect} has no {name!r}; it has {', '.join(known)}")
    return {name: known[name] for name in names}


def scaled(function: MetricFunction, factor: float) -> MetricFunction:
    """Give a metric in another unit."""

    def measure(fused: ArrayLike, infrared: ArrayLike, visible: ArrayLike) -> Values:
        return np.asarray(function(fused, infrared, visible) * factor)

    return measure


def each(
    measure: Callable[[Image, Image, Image], float], metric: str, minimum: int = 1
) -> MetricFunction:
    """Make a metric of batches from one of single images."""

    def batches(fused: ArrayLike, infrared: ArrayLike, visible: ArrayLike) -> Values:
        return per_image(measure, fused, infrared, visible, metric=metric, minimum=minimum)

    return batches


def _cddfuse_vif(fused: Image, infrared: Image, visible: Image) -> float:
    return sum(
        1.0 if math.isnan(value) else value for value in fidelities(fused, infrared, visible)
    )


def _decibels(peak: float, error: float) -> float:
    if error == 0:
        return math.inf if peak > 0 else math.nan
    return 10 * math.log10(peak**2 / error) if peak > 0 else -math.inf


def _cddfuse_psnr(fused: Image, infrared: Image, visible: Image) -> float:
    return _decibels(float(fused.max()), squared_error(fused, infrared, visible))


def _unit_psnr(fused: Image, infrared: Image, visible: Image) -> float:
    return _decibels(255.0, squared_error(fused, infrared, visible) / 255**2)


def _vifb_psnr(fused: Image, infrared: Image, visible: Image) -> float:
    distances = [math.sqrt(float(np.sum((fused - s) ** 2))) for s in (infrared, visible)]
    return _decibels(255.0, sum(distances) / 2 / fused.size)


def _vifb_sf(fused: Image, infrared: Image, visible: Image) -> float:
    squares = np.sum(np.diff(fused, axis=0) ** 2) + np.sum(np.diff(fused, axis=1) ** 2)
    return math.sqrt(float(squares) / fused.size)


def _saturated_mi(fused: Image, infrared: Image, visible: Image) -> float:
    # The evaluator adds 1 to uint8 levels before pairing them, where 255 stays 255.
    total = 0.0
    for source in (infrared, visible):
        pairs = (np.minimum(levels(image) + 1, 255) for image in (fused, source))
        total += entropy(levels_histogram(fused)) + entropy(levels_histogram(source))
        total -= entropy(joint_histogram(*pairs))
    return total


DIALECTS: Mapping[str, Dialect] = MappingProxyType(
    {
        "cddfuse": Dialect(
            name="cddfuse",
            title="CDDFuse (MMIF-CDDFuse, utils/Evaluator.py) and FreeFusion, read as float64",
            functions={
                "sf": sf,
                "ag": ag,
                "scd": scd,
                "vif": each(_cddfuse_vif, "vif", MIN_SIZE),
                "en": en,
                "sd": sd,
                "mi": scaled(mi, math.log(2)),
                "cc": cc,
                "psnr": each(_cddfuse_psnr, "psnr"),
                "mse": mse,
                "qabf": qabf,
            },
            notes="VIF, called VIFF there, is 1 for a flat source; MI in nats; PSNR's peak is "
            "the fused image's maximum. FreeFusion resizes to 224×224 first. Its SSIM raises "
            "with current scikit-image and is left out.",
        ),
        "linfeng_tang": Dialect(
            name="linfeng_tang",
            title="Linfeng Tang, Evaluation-for-Image-Fusion (MATLAB)",
            functions={
                "sf": sf,
                "ag": ag_mn1,
                "scd": scd,
                "vif": vif,
                "en": en,
                "sd": sd,
                "mi": each(_saturated_mi, "mi"),
                "cc": cc,
                "psnr": each(_unit_psnr, "psnr"),
                "mse": scaled(mse, 1 / 255**2),
                "qabf": qabf,
                "nabf": nabf,
            },
            notes="AG divides by (H−1)(W−1); MI joins levels 254 and 255 in the joint "
            "histogram; MSE is on 0-1 images, and PSNR sets it against 255. Its MS-SSIM is "
            "MEF-SSIM, another metric, and left out.",
        ),
        "vifb": Dialect(
            name="vifb",
            title="VIFB (MATLAB), fed grey images",
            functions={
                "sf": each(_vifb_sf, "sf"),
                "ag": ag_mn1,
                "en": en,
                "sd": sd,
                "mi": scaled(mi, math.log(2)),
                "psnr": each(_vifb_psnr, "psnr"),
                "ssim": ssim,
            },
            notes="SF divides both sums by H·W, AG by (H−1)(W−1); MI in nats; PSNR takes the "
            "norm of the difference over H·W for its mean square.",
        ),
        "ivif_zoo": Dialect(
            name="ivif_zoo",
            title="IVIF_ZOO (Metric/Metric_torch.py)",
            functions={
                "sf": sf,
                "ag": ag,
                "scd": scd,
                "vif": ivif_zoo.vif,
                "en": ivif_zoo.en,
                "sd": sd,
                "mi": mi,
                "nmi": ivif_zoo.nmi,
                "cc": cc,
                "psnr": each(_unit_psnr, "psnr"),
                "mse": scaled(mse, 1 / 255**2),
                "ssim": ivif_zoo.ssim,
                "ms_ssim": ivif_zoo.ms_ssim,
                "qabf": qabf,
                "nabf": ivif_zoo.nabf,
            },
            notes="VIF pads with zeros under an off-centre window; SSIM and MS-SSIM see images "
            "on 0-65025; MSE is on 0-1 images, and PSNR sets it against 255; NMI divides by the "
            "sources' entropies, NABF ignores weak edges. It computes in float32.",
        ),
    }
)
