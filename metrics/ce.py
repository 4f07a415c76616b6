"""CE, cross entropy: how far the fused image's grey levels are from its sources'."""

import math

import numpy as np

from .metric import Metric
from .shared.arrays import Image
from .shared.histograms import Counts, histogram


def cross_entropy(fused: Image, infrared: Image, visible: Image) -> float:
    """Average the divergence from both sources, in bits, over the levels that both images use.

    Levels that one image lacks are left out, as in the public evaluators. The value is therefore a
    truncated Kullback-Leibler divergence: it can be slightly negative, and 0 where no level is
    shared. Values between levels are rounded, halves to even.
    """
    counts = histogram(fused)
    return (_divergence(histogram(infrared), counts) + _divergence(histogram(visible), counts)) / 2


def _from_pairs(pairs: tuple[Counts, Counts]) -> float:
    return sum(_divergence(joint.sum(axis=0), joint.sum(axis=1)) for joint in pairs) / 2


def _divergence(source: Counts, fused: Counts) -> float:
    p, q = source / source.sum(), fused / fused.sum()
    used = (p > 0) & (q > 0)
    return float((p[used] * np.log2(p[used] / q[used])).sum())


METRIC = Metric(
    name="ce",
    title="Cross entropy",
    define=cross_entropy,
    larger_is_better=False,
    # x log₂ x is nowhere smaller than at 1/e.
    range=(-math.log2(math.e) / math.e, math.inf),
    unit="bits",
    formula="(D(I‖F) + D(V‖F)) / 2, D(S‖F) = Σ pₛ log₂(pₛ/p_F) over levels with pₛ, p_F > 0",
    citation="Bulanon, Burks & Alchanatis, Biosyst. Eng. 103(1), 2009",
    equals=("VIFB cross entropy", "thfylsty CE"),
    fast=lambda pair: _from_pairs(pair.joint_counts()),
    place=17,
)
