"""Differentiable SSIM, a term of most fusion losses."""

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

C1, C2 = 0.01**2, 0.03**2
WINDOW, SIGMA = 11, 1.5


@cache
def _gaussian(device: torch.device, dtype: torch.dtype) -> Tensor:
    x = torch.arange(WINDOW, device=device, dtype=dtype) - WINDOW // 2
    weights = torch.exp(-(x**2) / (2 * SIGMA**2))
    return weights / weights.sum()


def blur(images: Tensor, padding: int = 0) -> Tensor:
    """Blur with a Gaussian 11×11 window (σ 1.5) after padding each side with zeros.

    (B, C, H, W) → (B, C, H − 10 + 2 · padding, W − 10 + 2 · padding).
    """
    channels = images.shape[1]
    window = _gaussian(images.device, images.dtype).expand(channels, 1, 1, WINDOW)
    # A variance is a small difference of large numbers, which half precision cannot represent.
    with torch.autocast(images.device.type, enabled=False):
        rows = F.conv2d(images, window.mT, padding=(padding, 0), groups=channels)
        return F.conv2d(rows, window, padding=(0, padding), groups=channels)


class SourceMoments:
    """Local mean and variance of a source; all images compared with it share them."""

    def __init__(self, source: Tensor) -> None:
        self.source = source
        moments = blur(torch.cat([source, source * source], dim=1))
        self.mean, square = moments.chunk(2, dim=1)
        self.variance = square - self.mean**2


def ssim(images: Tensor, moments: SourceMoments) -> Tensor:
    """Return the mean SSIM of `images` with a source (Wang et al. 2004), a scalar in [−1, 1].

    Images and source are float (B, 1, H, W) in [0, 1], H and W ≥ 11. The result equals
    scikit-image's `structural_similarity(gaussian_weights=True, sigma=1.5,
    use_sample_covariance=False, data_range=1)` averaged over the pixels whose window lies
    inside the image.
    """
    return ssim_many(images, (moments,))[0]


def ssim_many(images: Tensor, sources: tuple[SourceMoments, ...]) -> list[Tensor]:
    """Return the mean SSIM with each source; the moments of `images` are computed once."""
    return [index.mean() for index in ssim_maps(images, sources)]


def ssim_maps(images: Tensor, sources: tuple[SourceMoments, ...]) -> list[Tensor]:
    """Return SSIM with each source where the window fits: (B, 1, H−10, W−10) each.

    The precision is that of the sources, even if that of `images` is lower.
    """
    images = images.to(sources[0].source.dtype)
    parts = [images, images * images, *(images * moments.source for moments in sources)]
    mean, square, *crosses = blur(torch.cat(parts, dim=1)).chunk(len(parts), dim=1)
    variance = square - mean**2
    return [
        _index(mean, variance, moments, cross)
        for moments, cross in zip(sources, crosses, strict=True)
    ]


def _index(mean: Tensor, variance: Tensor, moments: SourceMoments, cross: Tensor) -> Tensor:
    product = mean * moments.mean
    luminance = (2 * product + C1) / (mean**2 + moments.mean**2 + C1)
    structure = (2 * (cross - product) + C2) / (variance + moments.variance + C2)
    return luminance * structure
