"""NCIE, nonlinear correlation information entropy of the three images."""

import math

import numpy as np

from .metric import Metric
from .shared.arrays import Image
from .shared.histograms import LEVELS, mutual_information, shared


def correlation_information_entropy(fused: Image, infrared: Image, visible: Image) -> float:
    """Compute 1 + Σ λ/3 log₂₅₆(λ/3) over the eigenvalues of the matrix of nonlinear correlations.

    The nonlinear correlation of two images is their mutual information to the base of 256, on
    rounded levels, and that of an image with itself is 1.
    """
    pairs = ((fused, infrared), (fused, visible), (infrared, visible))
    return _entropy(*(mutual_information(*pair) for pair in pairs))


def _entropy(*bits: float) -> float:
    matrix = np.eye(3)
    for i, j, bit in zip((0, 0, 1), (1, 2, 2), bits, strict=True):
        matrix[i, j] = matrix[j, i] = bit / math.log2(LEVELS)
    shares = np.linalg.eigvalsh(matrix) / 3
    shares = shares[shares > 0]
    return float(1 + (shares * np.log(shares)).sum() / math.log(LEVELS))


METRIC = Metric(
    name="ncie",
    title="Nonlinear correlation information entropy",
    define=correlation_information_entropy,
    range=(1 - math.log(3, LEVELS), 1.0),
    formula="1 + Σ λ/3 log₂₅₆(λ/3), λ the eigenvalues of the matrix of I(·; ·)/8 with diagonal 1",
    citation="Wang, Shen & Zhang, Image Fusion: Algorithms and Applications, 2008",
    equals=("zhengliu6699 metricWang",),
    fast=lambda pair: _entropy(*(shared(*e) for e in (*pair.entropies(), pair.source_entropies()))),
    place=23,
)
