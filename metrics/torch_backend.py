"""The four paper metrics on a torch device, one batch at a time, in float64."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from .errors import MetricError
from .registry import PAPER, find, suggest
from .shared.arrays import Batch, Values, as_triple, finite_images, require_size
from .shared.correlation import FLAT_LEVELS
from .shared.filters import gaussian
from .shared.moments import FLAT, MID_GREY, WINDOWS
from .vif import NOISE, gain_and_residual


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
        names: some of the four paper metrics.
        device: any torch device with float64, such as "cuda" or "cpu".
        chunk: images computed at once; each takes about 40 maps of its size in float64.

    Returns:
        One (B,) float64 array per name, NaN where the metric is undefined.

    Raises:
        MetricError: a name that is not a paper metric, or arrays the metrics refuse.
    """
    triple = as_triple(fused, infrared, visible)
    for name in names:
        if name not in _MEASURES:
            raise MetricError(f"no torch path for {name!r}; {suggest(name, _MEASURES)}")
        require_size(triple[0].shape, find(name).minimum, name)
    values = {name: np.full(len(triple[0]), np.nan) for name in names}
    defined = np.flatnonzero(finite_images(*triple))
    for start in range(0, len(defined), chunk):
        index = defined[start : start + chunk]
        f, a, b = (_to_device(batch[index], torch.device(device)) for batch in triple)
        for name in names:
            values[name][index] = _MEASURES[name](f, a, b).cpu().numpy()
    return values


def _to_device(batch: Batch, device: torch.device) -> Tensor:
    # Converting on the device moves an eighth of the bytes.
    return torch.from_numpy(np.ascontiguousarray(batch)).to(device).to(torch.float64) - MID_GREY


def _sf(f: Tensor, a: Tensor, b: Tensor) -> Tensor:
    rows, columns = f.diff(dim=2).square(), f.diff(dim=1).square()
    return (rows.mean(dim=(1, 2)) + columns.mean(dim=(1, 2))).sqrt()


def _ag(f: Tensor, a: Tensor, b: Tensor) -> Tensor:
    rows, columns = torch.gradient(f, dim=(1, 2))
    return ((rows.square() + columns.square()) / 2).sqrt().mean(dim=(1, 2))


def _pearson(x: Tensor, y: Tensor) -> Tensor:
    x = x - x.mean(dim=(1, 2), keepdim=True)
    y = y - y.mean(dim=(1, 2), keepdim=True)
    xx, yy = x.square().sum(dim=(1, 2)), y.square().sum(dim=(1, 2))
    flat = torch.minimum(xx, yy) <= x[0].numel() * FLAT_LEVELS**2
    correlation = (x * y).sum(dim=(1, 2)) / (xx * yy).sqrt()
    return correlation.clamp(-1, 1).masked_fill(flat, torch.nan)


def _scd(f: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return _pearson(f - b, a) + _pearson(f - a, b)


def _filter(images: Tensor, size: int, step: int = 1) -> Tensor:
    """Filter (..., H, W) with a Gaussian window where it fits; products with band matrices."""
    height, width = images.shape[-2:]
    down = _band(height, size, step).to(images.device)
    across = _band(width, size, step).to(images.device)
    return down @ images @ across.T


def _band(length: int, size: int, step: int) -> Tensor:
    count = (length - size) // step + 1
    band = torch.zeros(count, length, dtype=torch.float64)
    taps = torch.from_numpy(gaussian(size, size / 5))
    for row in range(count):
        band[row, row * step : row * step + size] = taps
    return band


def _vif(f: Tensor, a: Tensor, b: Tensor) -> Tensor:
    images = torch.stack((f, a, b))
    kept = torch.zeros(2, len(f), dtype=torch.float64, device=f.device)
    held = torch.zeros_like(kept)
    for scale, size in enumerate(WINDOWS):
        if scale:
            images = _filter(images, size, step=2)
        means = _filter(images, size)
        variances = _filter(images.square(), size) - means.square()
        variances = torch.where(variances < FLAT, 0, variances)
        shared = _filter(images[:1] * images[1:], size) - means[:1] * means[1:]
        fused, sources = variances[:1], variances[1:]
        gain, residual = gain_and_residual(sources, fused, shared)
        kept += (1 + gain.square() * sources / (residual + NOISE)).log().sum(dim=(2, 3))
        held += (1 + sources / NOISE).log().sum(dim=(2, 3))
    return (kept / held.masked_fill(held == 0, torch.nan)).sum(dim=0)


_MEASURES = {"sf": _sf, "ag": _ag, "scd": _scd, "vif": _vif}
