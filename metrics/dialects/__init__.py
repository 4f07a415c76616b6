"""Public evaluators that published numbers came from, reproduced; none is ever the default."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from ..errors import MetricError
from ..metric import Metric
from ..mi import shared_information
from ..mse import squared_error
from ..registry import METRICS, PAPER, VARIANTS, find, suggest
from ..shared.arrays import Image, ImageMetric
from ..shared.histograms import entropy, joint_histogram, levels
from ..shared.histograms import histogram as levels_histogram
from ..vif import fidelities
from . import ivif_zoo, vifb


@dataclass(frozen=True)
class Dialect:
    """A public evaluator: where it is, what it measures by our names, and how it departs."""

    name: str
    title: str
    metrics: Mapping[str, Metric]
    notes: str
    colour: Literal["luma", "per_channel"] = "luma"


def lookup(names: Sequence[str] | None, dialect: str | None = None) -> list[Metric]:
    """Look up metrics, as we or a dialect define them, each once and in the order of `names`.

    None stands for the paper's metrics, or for all of the dialect.
    """
    if dialect is None:
        return [find(name) for name in dict.fromkeys(PAPER if names is None else names)]
    if dialect not in DIALECTS:
        raise MetricError(f"unknown dialect {dialect!r}; {suggest(dialect, DIALECTS)}")
    known = DIALECTS[dialect].metrics
    names = list(known if names is None else dict.fromkeys(names))
    for name in names:
        if name not in known:
            raise MetricError(f"dialect {dialect} has no {name!r}; it has {', '.join(known)}")
    return [known[name] for name in names]


def _evaluator(
    name: str, title: str, measures: str, own: Mapping[str, Metric], notes: str, **reading: Any
) -> Dialect:
    """Describe a dialect by the metrics that it shares with us and those it defines itself."""
    names = measures.split()
    metrics = {metric: own.get(metric) or replace(METRICS[metric], fast=None) for metric in names}
    return Dialect(name, title, metrics, notes, **reading)


def _own(name: str, define: ImageMetric, **changes: Any) -> Metric:
    return replace(METRICS[name], define=define, **changes)


def _cddfuse_vif(fused: Image, infrared: Image, visible: Image) -> float:
    return sum(1.0 if math.isnan(v) else v for v in fidelities(fused, infrared, visible))


def _cddfuse_psnr(fused: Image, infrared: Image, visible: Image) -> float:
    return vifb.decibels(float(fused.max()), squared_error(fused, infrared, visible))


def _unit_psnr(fused: Image, infrared: Image, visible: Image) -> float:
    return vifb.decibels(255.0, squared_error(fused, infrared, visible) / 255**2)


def _saturated_mi(fused: Image, infrared: Image, visible: Image) -> float:
    # The evaluator adds 1 to uint8 levels before pairing them, where 255 stays 255.
    total = 0.0
    for source in (infrared, visible):
        pairs = (np.minimum(levels(image) + 1, 255) for image in (fused, source))
        total += entropy(levels_histogram(fused)) + entropy(levels_histogram(source))
        total -= entropy(joint_histogram(*pairs))
    return total


def _mi_in_nats(fused: Image, infrared: Image, visible: Image) -> float:
    return shared_information(fused, infrared, visible) * math.log(2)


def _unit_mse(fused: Image, infrared: Image, visible: Image) -> float:
    return squared_error(fused, infrared, visible) * (1 / 255**2)


_OTHER_DIVISOR = replace(VARIANTS["ag_mn1"], name="ag")
_UNIT_ERRORS = {"psnr": _own("psnr", _unit_psnr), "mse": _own("mse", _unit_mse)}

_EVALUATORS = (
    _evaluator(
        "cddfuse",
        "CDDFuse (MMIF-CDDFuse, utils/Evaluator.py) and FreeFusion, read as float64",
        "sf ag scd vif en sd mi cc psnr mse qabf",
        {
            "vif": _own("vif", _cddfuse_vif),
            "mi": _own("mi", _mi_in_nats),
            "psnr": _own("psnr", _cddfuse_psnr),
        },
        "VIF, called VIFF there, is 1 for a flat source; MI in nats; PSNR's peak is "
        "the fused image's maximum. FreeFusion resizes to 224×224 first. Its SSIM raises "
        "with current scikit-image and is left out.",
    ),
    _evaluator(
        "linfeng_tang",
        "Linfeng Tang, Evaluation-for-Image-Fusion (MATLAB)",
        "sf ag scd vif en sd mi cc psnr mse qabf nabf",
        {"ag": _OTHER_DIVISOR, "mi": _own("mi", _saturated_mi), **_UNIT_ERRORS},
        "AG divides by (H−1)(W−1); MI joins levels 254 and 255 in the joint "
        "histogram; MSE is on 0-1 images, and PSNR sets it against 255. Its MS-SSIM is "
        "MEF-SSIM, another metric, and left out.",
    ),
    _evaluator(
        "vifb",
        "VIFB (MATLAB)",
        "sf ag en sd mi psnr rmse ssim ei ce qabf qcb qcv",
        {
            "sf": _own("sf", vifb.sf, minimum=1),
            "ag": _OTHER_DIVISOR,
            "mi": _own("mi", vifb.mi),
            "psnr": _own("psnr", vifb.psnr),
            "rmse": _own("rmse", vifb.rmse, unit="grey levels per pixel"),
        },
        "Each colour channel is measured against the same channel of the sources, or their only "
        "one, and the values are averaged; SF sees the channels side by side. SF divides both "
        "sums by H·W, AG by (H−1)(W−1); MI in nats, of stretched images; RMSE is the norm of the "
        "difference over H·W, which PSNR takes for its mean square.",
        colour="per_channel",
    ),
    _evaluator(
        "ivif_zoo",
        "IVIF_ZOO (Metric/Metric_torch.py)",
        "sf ag scd vif en sd mi nmi cc psnr mse ssim ms_ssim qabf nabf",
        {
            "vif": _own("vif", ivif_zoo.vif, minimum=1),
            "en": _own("en", ivif_zoo.en),
            "nmi": _own("nmi", ivif_zoo.nmi),
            "ssim": _own("ssim", ivif_zoo.ssim),
            "ms_ssim": _own("ms_ssim", ivif_zoo.ms_ssim, minimum=161),
            "nabf": _own("nabf", ivif_zoo.nabf),
            **_UNIT_ERRORS,
        },
        "VIF pads with zeros under an off-centre window; SSIM and MS-SSIM see images "
        "on 0-65025; MSE is on 0-1 images, and PSNR sets it against 255; NMI divides by the "
        "sources' entropies, NABF ignores weak edges. It computes in float32.",
    ),
)
DIALECTS = {dialect.name: dialect for dialect in _EVALUATORS}
