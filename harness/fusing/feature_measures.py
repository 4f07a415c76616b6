"""Numbers behind the figures of features: detail, what is decoded from them, where attention goes.

The features are those of `harness.fusing.features`, here of all stages.
"""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from harness.errors import as_method_failure
from harness.fusing.inference import to_tensor
from harness.fusing.job import Float
from harness.pixels import IGNORE
from harness.tiles.store import Pairs

TILES = 16
"""Number of test tiles that are measured, evenly spread."""


def measure_features(
    method: Any, pairs: Pairs, classes: int, device: torch.device
) -> dict[str, Float]:
    """Measure f^S and f^R of every stage, and the attention of the first, on T tiles.

    Args:
        method: a method whose call returns the features.
        pairs: the test tiles, with their labels.
        classes: number of classes, 0 without labels.
        device: the device of the method.

    Returns:
        `measured_tiles`: (T,) their indices.
        `measured_gradient`: (T, stages, 2) gradient energy over variance of f^S and of f^R.
        `measured_decoded`: (T, stages, 2) share of the variance of the sources, mean of both, that
        a linear map of the channels explains.
        `measured_attention`: (T, classes, 2) share of the attention that falls on a class, and
        share of its area; NaN where nothing is labelled. The key is missing where the method has
        no attention or the data have no labels.

    Raises:
        MethodFailure: if the method's call raises or does not return such an object.
    """
    count = len(pairs)
    tiles = np.unique(np.linspace(0, count - 1, min(count, TILES)).round()).astype(int)
    found: dict[str, list[Any]] = {}
    for index in tiles:
        part = slice(index, index + 1)
        sources = [to_tensor(images(part), device) for images in (pairs.infrared, pairs.visible)]
        with as_method_failure("gives no features"), torch.no_grad():
            output = method(*sources)
            both = list(zip(output.segmentation, output.aligned, strict=True))
            attention = [weights[0] for weights in output.attention[:1]]
        source = torch.cat(sources, 1)
        found.setdefault("gradient", []).append([[_gradient(f) for f in pair] for pair in both])
        found.setdefault("decoded", []).append(
            [[_decoded(f, source) for f in pair] for pair in both]
        )
        for weights in attention if classes else []:
            label = pairs.labels(part)[0]
            found.setdefault("attention", []).append(_shares(weights, label, classes))
    arrays = {f"measured_{name}": np.array(values, np.float32) for name, values in found.items()}
    return {"measured_tiles": tiles.astype(np.float32), **arrays}


def _gradient(features: Tensor) -> float:
    """Return the mean squared difference of neighbours over the variance, of all channels."""
    power = sum(torch.diff(features, dim=axis).square().mean() for axis in (2, 3))
    variance = features.var((2, 3)).mean()
    return float(power / variance) if variance > 0 else 0.0


def _decoded(features: Tensor, sources: Tensor) -> float:
    """Return R² of the least-squares map from the channels to both sources, mean of both."""
    pixels = features[0].flatten(1).T.double().cpu()
    wanted = F.interpolate(sources, features.shape[2:], mode="area")[0].flatten(1).T.double().cpu()
    pixels, wanted = pixels - pixels.mean(0), wanted - wanted.mean(0)
    # The driver that stands channels without any variance.
    fit = torch.linalg.lstsq(pixels, wanted, driver="gelsd").solution
    left, total = (wanted - pixels @ fit).square().sum(0), wanted.square().sum(0)
    return float((1 - left / total.clamp(min=1e-12)).mean())


def _shares(weights: Tensor, label: Any, classes: int) -> list[list[float]]:
    """Return per class the share of the attention (queries, keys) and of the area."""
    side = round(weights.shape[1] ** 0.5)
    received = weights.mean(0).reshape(1, 1, side, side)
    mass = F.interpolate(received, label.shape, mode="nearest")[0, 0].double().cpu().numpy()
    known = label != IGNORE
    if not known.any():
        return [[float("nan")] * 2] * classes
    total = mass[known].sum()
    return [
        [float(mass[label == k].sum() / total), float((label == k).sum() / known.sum())]
        for k in range(classes)
    ]
