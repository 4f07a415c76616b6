"""The metrics on tensors (B, H, W) of one floating dtype, on the 0-255 scale, as (B,)."""

import math
from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from .. import qcb, qcv, qy, viff
from ..ms_ssim import WEIGHTS
from ..nabf import EXPONENT, FLOOR, THRESHOLD
from ..sf_diagonal import DIAGONAL
from ..shared.arrays import Values
from ..shared.correlation import FLAT_LEVELS
from ..shared.filters import gaussian
from ..shared.moments import FLAT, MID_GREY, WINDOWS
from ..ssim import SIGMA, STABILISERS, WINDOW
from ..vif import NOISE, gain_and_residual

Measure = Callable[[Tensor, Tensor, Tensor], Tensor]


def _mean(images: Tensor) -> Tensor:
    return images.mean(dim=(-2, -1))


def _sum(images: Tensor) -> Tensor:
    return images.sum(dim=(-2, -1))


def _root(squares: Tensor) -> Tensor:
    """Return the root, with a derivative of 0 instead of infinity where an image is flat."""
    positive = squares > 0
    return torch.where(positive, torch.where(positive, squares, 1).sqrt(), 0)


def _sf(f: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return _root(_mean(f.diff(dim=2).square()) + _mean(f.diff(dim=1).square()))


def _sf_diagonal(f: Tensor, a: Tensor, b: Tensor) -> Tensor:
    straight = _sum(f.diff(dim=2).square()) + _sum(f.diff(dim=1).square())
    falling, rising = f[:, 1:, 1:] - f[:, :-1, :-1], f[:, 1:, :-1] - f[:, :-1, 1:]
    diagonal = _sum(falling.square()) + _sum(rising.square())
    return _root((straight + DIAGONAL * diagonal) / f[0].numel())


def _ag(f: Tensor, a: Tensor, b: Tensor) -> Tensor:
    rows, columns = torch.gradient(f, dim=(1, 2))
    return _mean(_root((rows.square() + columns.square()) / 2))


def _centred(x: Tensor) -> Tensor:
    return x - x.mean(dim=(1, 2), keepdim=True)


def _pearson(x: Tensor, y: Tensor) -> Tensor:
    x, y = _centred(x), _centred(y)
    xx, yy = _sum(x.square()), _sum(y.square())
    flat = torch.minimum(xx, yy) <= x[0].numel() * FLAT_LEVELS**2
    correlation = _sum(x * y) / (xx * yy).sqrt()
    return correlation.clamp(-1, 1).masked_fill(flat, torch.nan)


def _scd(f: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return _pearson(f - b, a) + _pearson(f - a, b)


def _cc(f: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return (_pearson(f, a) + _pearson(f, b)) / 2


def _sd(f: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return _root(_mean(_centred(f).square()))


def _mse(f: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return (_mean((f - a).square()) + _mean((f - b).square())) / 2


def _rmse(f: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return (_root(_mean((f - a).square())) + _root(_mean((f - b).square()))) / 2


def _psnr(f: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return 10 * torch.log10(255**2 / _mse(f, a, b))


def _filter(images: Tensor, taps: Values, step: int = 1) -> Tensor:
    """Filter (..., H, W) with a window where it fits; products with band matrices."""
    height, width = images.shape[-2:]
    down, across = (_band(side, tuple(taps), step).to(images) for side in (height, width))
    return down @ images @ across.T


@lru_cache(maxsize=64)
def _band(length: int, taps: tuple[float, ...], step: int) -> Tensor:
    count = (length - len(taps)) // step + 1
    band = torch.zeros(count, length, dtype=torch.float64)
    window = torch.tensor(taps, dtype=torch.float64)
    for row in range(count):
        band[row, row * step : row * step + len(taps)] = window
    return band


def _moments(f: Tensor, a: Tensor, b: Tensor, taps: Values) -> tuple[Tensor, Tensor, Tensor]:
    """Return means and variances of the three images, and the covariances of f with a and b."""
    images = torch.stack((f, a, b))
    means = _filter(images, taps)
    variances = _filter(images.square(), taps) - means.square()
    return means, variances, _filter(images[:1] * images[1:], taps) - means[:1] * means[1:]


def _regressions(f: Tensor, a: Tensor, b: Tensor) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Return per scale the sources' variances, the gains and the residuals, each (2, B, h, w)."""
    images, scales = torch.stack((f, a, b)) - MID_GREY, []
    for scale, size in enumerate(WINDOWS):
        taps = gaussian(size, size / 5)
        if scale:
            images = _filter(images, taps, step=2)
        _, variances, shared = _moments(images[0], images[1], images[2], taps)
        variances = torch.where(variances < FLAT, 0, variances)
        sources = variances[1:]
        scales.append((sources, *gain_and_residual(sources, variances[:1], shared)))
    return scales


def _vif(f: Tensor, a: Tensor, b: Tensor) -> Tensor:
    kept = held = torch.zeros(2, len(f), dtype=f.dtype, device=f.device)
    for sources, gain, residual in _regressions(f, a, b):
        kept = kept + _sum((1 + gain.square() * sources / (residual + NOISE)).log())
        held = held + _sum((1 + sources / NOISE).log())
    return (kept / held.masked_fill(held == 0, torch.nan)).sum(dim=0)


def _viff(f: Tensor, a: Tensor, b: Tensor) -> Tensor:
    total = torch.zeros(len(f), dtype=f.dtype, device=f.device)
    scales = _regressions(f, a, b)
    for share, (sources, gain, residual) in zip(viff.SHARES.tolist(), scales, strict=True):
        kept = (1 + gain.square() * sources / (residual + viff.NOISE)).log10() + viff.EPS
        held = (1 + sources / viff.NOISE).log10() + viff.EPS
        infrared_counts = gain[0] < gain[1]
        above, below = (_sum(torch.where(infrared_counts, p[0], p[1])) for p in (kept, held))
        total = total + share * above / below
    return total


def _similarity(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    luminance, contrast = STABILISERS
    means, variances, shared = _moments(x, y, y, gaussian(WINDOW, SIGMA))
    structure = (2 * shared[0] + contrast) / (variances[0] + variances[1] + contrast)
    brightness = (2 * means[0] * means[1] + luminance) / (
        means[0].square() + means[1].square() + luminance
    )
    return _mean(brightness * structure), _mean(structure)


def _ssim(f: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return _similarity(f, a)[0] + _similarity(f, b)[0]


def _ms_ssim(f: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return _pair_ms_ssim(f, a) + _pair_ms_ssim(f, b)


def _pair_ms_ssim(x: Tensor, y: Tensor) -> Tensor:
    product = torch.ones(len(x), dtype=x.dtype, device=x.device)
    for scale, weight in enumerate(WEIGHTS):
        if scale:
            x, y = functional.avg_pool2d(x, 2), functional.avg_pool2d(y, 2)
        similar, structure = _similarity(x, y)
        term = similar if scale == len(WEIGHTS) - 1 else structure
        product = product * term.clamp(min=0) ** weight
    return product


def _qy(f: Tensor, a: Tensor, b: Tensor) -> Tensor:
    def compare(i: int, j: int) -> Tensor:
        shared = _filter(images[i] * images[j], taps) - means[i] * means[j]
        flat = (variances[i] == 0) | (variances[j] == 0)
        structure = 2 * torch.where(flat, 0, shared) + qy.STABILISER
        brightness = 2 * means[i] * means[j] + qy.STABILISER
        below = means[i].square() + means[j].square() + qy.STABILISER
        return brightness * structure / (below * (variances[i] + variances[j] + qy.STABILISER))

    taps, images = gaussian(qy.WINDOW, qy.SIGMA), (f, a, b)
    means, variances, _ = _moments(f, a, b, taps)
    variances = torch.where(variances < FLAT, 0, variances)
    power = variances[1] + variances[2]
    varied = power > 0
    share = torch.where(varied, variances[1] / torch.where(varied, power, 1), 0.5)
    to_infrared, to_visible = compare(0, 1), compare(0, 2)
    both = share * to_infrared + (1 - share) * to_visible
    closer = torch.maximum(to_infrared, to_visible)
    return _mean(torch.where(compare(1, 2) >= qy.ALIKE, both, closer))


def _sobel(images: Tensor, border: str) -> tuple[Tensor, Tensor]:
    # A single row or column is its own mirror.
    mode = "replicate" if border == "reflect" and min(images.shape[1:]) < 2 else border
    padded = functional.pad(images[:, None], (1, 1, 1, 1), mode=mode)[:, 0]
    smooth_down = padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]
    smooth_across = padded[:, :, :-2] + 2 * padded[:, :, 1:-1] + padded[:, :, 2:]
    across = smooth_down[:, :, 2:] - smooth_down[:, :, :-2]
    return across, smooth_across[:, 2:] - smooth_across[:, :-2]


def _ei(f: Tensor, a: Tensor, b: Tensor) -> Tensor:
    across, down = _sobel(f, "replicate")
    return _mean(_root(across.square() + down.square()))


def _angle(above: Tensor, below: Tensor, otherwise: Tensor | float) -> Tensor:
    usable = below != 0
    return torch.where(usable, (above / torch.where(usable, below, 1)).atan(), otherwise)


def _ratio(x: Tensor, y: Tensor, otherwise: Tensor, usable: Tensor) -> Tensor:
    weaker, stronger = torch.minimum(x, y), torch.maximum(x, y)
    return torch.where(usable, weaker / torch.where(usable, stronger, 1), otherwise)


def _qabf(f: Tensor, a: Tensor, b: Tensor) -> Tensor:
    slopes = [_sobel(image, "constant") for image in (f, a, b)]
    g_f, *sources = [_root(x.square() + y.square()) for x, y in slopes]
    turn_f, *turns = [_angle(y, -x, math.pi / 2) for x, y in slopes]
    kept = torch.zeros_like(g_f)
    for g, turn in zip(sources, turns, strict=True):
        ratio = _ratio(g, g_f, g, g != g_f)
        agreement = 1 - (turn - turn_f).abs() * (2 / math.pi)
        strength = 0.9994 * torch.sigmoid(15 * (ratio - 0.5))
        kept = kept + g * strength * 0.9879 * torch.sigmoid(22 * (agreement - 0.8))
    total = _sum(sources[0] + sources[1])
    return _sum(kept) / total.masked_fill(total == 0, torch.nan)


def _nabf(f: Tensor, a: Tensor, b: Tensor) -> Tensor:
    slopes = [_sobel(image, "reflect") for image in (f, a, b)]
    g_f, *sources = [_root(x.square() + y.square()) / 8 for x, y in slopes]
    turn_f, *turns = [_angle(x, y, x.sign() * (math.pi / 2)) for x, y in slopes]
    added = (g_f > sources[0]) & (g_f > sources[1])
    lost = total = torch.zeros_like(g_f)
    for g, turn in zip(sources, turns, strict=True):
        stronger = torch.maximum(g, g_f)
        ratio = _ratio(g, g_f, torch.zeros_like(g), stronger > 0)
        agreement = ((turn - turn_f).abs() - math.pi / 2).abs() * (2 / math.pi)
        strength = 0.9999 * torch.sigmoid(19 * (ratio - 0.5))
        kept = (strength * 0.9995 * torch.sigmoid(22 * (agreement - 0.5))).sqrt()
        weight = torch.where(g < THRESHOLD, FLOOR, g.clamp(min=THRESHOLD) ** EXPONENT)
        lost, total = lost + (1 - kept) * weight, total + weight
    return _sum(lost * added) / _sum(total)


def _stretch(images: Tensor) -> Tensor:
    """Stretch to 0-255; the rounding has no derivative of its own and passes that of its input."""
    low, high = images.amin(dim=(1, 2), keepdim=True), images.amax(dim=(1, 2), keepdim=True)
    scaled = (images - low) / (high - low).masked_fill(high == low, torch.nan) * 255
    return scaled + ((scaled + 0.5).floor() - scaled).detach()


def _seen(images: Tensor, response: Values) -> Tensor:
    weights = torch.from_numpy(response).to(images)
    spectrum = torch.fft.rfft2(images) * weights
    seen: Tensor = torch.fft.irfft2(spectrum, s=images.shape[-2:])
    return seen


def _qcb(f: Tensor, a: Tensor, b: Tensor) -> Tensor:
    response = qcb.sensitivity(*f.shape[1:])
    half = qcb.WINDOW // 2

    def contrast(images: Tensor) -> Tensor:
        seen = functional.pad(_seen(_stretch(images), response), (half,) * 4)
        fine, coarse = (_filter(seen, qcb.taps(sigma)) for sigma in qcb.SIGMAS)
        c = (fine / torch.where(coarse == 0, torch.finfo(f.dtype).tiny, coarse) - 1).abs()
        return c / (
            1 + qcb.MASKING / c.square().clamp(min=1e-300 if c.dtype.itemsize > 4 else 1e-30)
        )

    c_f, c_a, c_b = contrast(f), contrast(a), contrast(b)
    power = c_a.square() + c_b.square()
    share = torch.where(power > 0, c_a.square() / torch.where(power > 0, power, 1), 0.5)
    ones = torch.ones_like(c_f)
    kept = [_ratio(c, c_f, ones, torch.maximum(c, c_f) > 0) for c in (c_a, c_b)]
    return _mean(share * kept[0] + (1 - share) * kept[1])


def _blocks(images: Tensor) -> Tensor:
    height, width = images.shape[1:]
    padded = functional.pad(images, (0, -width % qcv.BLOCK, 0, -height % qcv.BLOCK))
    return functional.avg_pool2d(padded, qcv.BLOCK) * qcv.BLOCK**2


def _qcv(f: Tensor, a: Tensor, b: Tensor) -> Tensor:
    response = qcv.sensitivity(*f.shape[1:])
    f, a, b = _stretch(f), _stretch(a), _stretch(b)
    above = below = torch.zeros(len(f), dtype=f.dtype, device=f.device)
    for source in (a, b):
        across, down = _sobel(source, "constant")
        weight = _blocks((across.square() + down.square()) ** (qcv.EXPONENT / 2))
        distance = _blocks(_seen(source - f, response).square()) / qcv.BLOCK**2
        above, below = above + _sum(weight * distance), below + _sum(weight)
    return above / below


def _counts(x: Tensor, y: Tensor) -> Tensor:
    """Count the pairs of levels, (B, 256, 256), halves between levels rounded to even."""
    index = (x.round() * 256 + y.round()).long().flatten(1)
    counts = torch.zeros(len(x), 65536, dtype=x.dtype, device=x.device)
    return counts.scatter_add_(1, index, torch.ones_like(x).flatten(1)).reshape(-1, 256, 256)


def _entropy(counts: Tensor) -> Tensor:
    shares = counts.flatten(1) / counts.flatten(1).sum(dim=1, keepdim=True)
    return -torch.xlogy(shares, shares).sum(dim=1) / math.log(2)


def _information(joint: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the mutual information and both entropies, in bits."""
    first, second = _entropy(joint.sum(dim=2)), _entropy(joint.sum(dim=1))
    shared = first + second - _entropy(joint)
    return torch.minimum(shared, torch.minimum(first, second)).clamp(min=0), first, second


def _en(f: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return _information(_counts(f, f))[1]


def _mi(f: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return _information(_counts(f, a))[0] + _information(_counts(f, b))[0]


def _nmi(f: Tensor, a: Tensor, b: Tensor) -> Tensor:
    total = torch.zeros(len(f), dtype=f.dtype, device=f.device)
    for source in (a, b):
        shared, first, second = _information(_counts(f, source))
        total = total + 2 * shared / (first + second).masked_fill(first + second == 0, torch.nan)
    return total


def _ce(f: Tensor, a: Tensor, b: Tensor) -> Tensor:
    total = torch.zeros(len(f), dtype=f.dtype, device=f.device)
    for source in (a, b):
        joint = _counts(f, source) / f[0].numel()
        q, p = joint.sum(dim=2), joint.sum(dim=1)
        used = (p > 0) & (q > 0)
        terms = p * (torch.where(used, p, 1) / torch.where(used, q, 1)).log2()
        total = total + torch.where(used, terms, 0).sum(dim=1) / 2
    return total


def _ncie(f: Tensor, a: Tensor, b: Tensor) -> Tensor:
    matrix = torch.eye(3, dtype=f.dtype, device=f.device).repeat(len(f), 1, 1)
    for i, j, pair in ((0, 1, (f, a)), (0, 2, (f, b)), (1, 2, (a, b))):
        matrix[:, i, j] = matrix[:, j, i] = _information(_counts(*pair))[0] / 8
    shares = torch.linalg.eigvalsh(matrix).clamp(min=0) / 3
    return 1 + torch.xlogy(shares, shares).sum(dim=1) / math.log(256)


COUNTED: dict[str, Measure] = {"en": _en, "mi": _mi, "nmi": _nmi, "ce": _ce, "ncie": _ncie}
"""Metrics of counted levels, which have no derivative."""

MEASURES: dict[str, Measure] = {
    **{"sf": _sf, "ag": _ag, "scd": _scd, "vif": _vif, "sd": _sd, "cc": _cc, "psnr": _psnr},
    **{"mse": _mse, "ssim": _ssim, "ms_ssim": _ms_ssim, "qabf": _qabf, "nabf": _nabf},
    **{"viff": _viff, "ei": _ei, "rmse": _rmse, "qcb": _qcb, "qcv": _qcv, "qy": _qy},
    **{"sf_diagonal": _sf_diagonal},
    **COUNTED,
}
"""Path of each metric, from tensors (B, H, W) on the 0-255 scale to (B,)."""
