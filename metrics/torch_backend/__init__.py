"""Metrics on a torch device, one batch at a time, in float64 and differentiable where they are.

`score` measures batches of images, `loss` gives a metric as a loss for a training. The values are
those of the definitions, to rounding. What sorts pixels into levels (en, mi, nmi, ce, ncie) has no
derivative, and the feature mutual informations (fmi_*) have no path here.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from ..errors import MetricError
from ..registry import PAPER, find, suggest
from ..shared.arrays import Batch, Values, as_triple, finite_images, require_size
from .measures import COUNTED, MEASURES, Measure


def score(
    fused: ArrayLike,
    infrared: ArrayLike,
    visible: ArrayLike,
    names: Sequence[str] = PAPER,
    device: str = "cuda",
    chunk: int = 16,
) -> dict[str, Values]:
    """Measure one batch on a device; the values are those of `metrics.score`, to rounding.

    Args:
        fused: (B, H, W) on the 0-255 scale.
        infrared: (B, H, W) likewise.
        visible: (B, H, W) likewise.
        names: metrics of `MEASURES`.
        device: any torch device with float64, such as "cuda" or "cpu".
        chunk: images computed at once; each takes about 40 maps of its size in float64.

    Returns:
        One (B,) float64 array per name, NaN where the metric is undefined.

    Raises:
        MetricError: a name without a path here, or arrays the metrics refuse.
    """
    triple = as_triple(fused, infrared, visible)
    for name in names:
        require_size(triple[0].shape, find(_known(name)).minimum, name)
    values = {name: np.full(len(triple[0]), np.nan) for name in names}
    defined = np.flatnonzero(finite_images(*triple))
    with torch.no_grad():
        for start in range(0, len(defined), chunk):
            index = defined[start : start + chunk]
            f, a, b = (_to_device(batch[index], torch.device(device)) for batch in triple)
            for name in names:
                values[name][index] = MEASURES[name](f, a, b).cpu().numpy()
    return values


def loss(name: str) -> Measure:
    """Return a metric as a loss: the mean over a batch, smaller where the images are better.

    The loss takes fused, infrared and visible as tensors (B, H, W) or (B, 1, H, W) of any floating
    dtype, on the 0-255 scale, and returns a scalar. It computes in the dtype of the fused images;
    float32 keeps about four digits of the window metrics.

    Raises:
        MetricError: the metric has no path here, or no derivative.
    """
    measure, sign = MEASURES[_known(name)], -find(name).sign
    if name in COUNTED:
        raise MetricError(f"{name} sorts pixels into levels and has no derivative; take another")

    def compute(fused: Tensor, infrared: Tensor, visible: Tensor) -> Tensor:
        planes = [
            _plane(image, role)
            for role, image in (("fused", fused), ("infrared", infrared), ("visible", visible))
        ]
        if len({plane.shape for plane in planes}) > 1:
            found = ", ".join(str(tuple(plane.shape)) for plane in planes)
            raise MetricError(f"the three tensors must have one shape (B, H, W), found {found}")
        require_size(tuple(fused.shape), find(name).minimum, name)
        return sign * measure(*(plane.to(fused.dtype) for plane in planes)).mean()

    return compute


def _plane(image: Tensor, role: str) -> Tensor:
    plane = image.squeeze(1) if image.ndim == 4 and image.shape[1] == 1 else image
    if plane.ndim != 3 or not plane.is_floating_point():
        raise MetricError(
            f"{role}: expected floating (B, H, W) or (B, 1, H, W), got {tuple(image.shape)} of "
            f"{image.dtype}"
        )
    return plane


def _known(name: str) -> str:
    if name not in MEASURES:
        raise MetricError(f"no torch path for {name!r}; {suggest(name, MEASURES)}")
    return name


def _to_device(batch: Batch, device: torch.device) -> Tensor:
    # Converting on the device moves an eighth of the bytes.
    return torch.from_numpy(np.ascontiguousarray(batch)).to(device).to(torch.float64)
