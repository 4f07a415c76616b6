"""Layers that several methods share."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.blocks.distributed import moments


def channels_last(images: Tensor) -> Tensor:
    """Copy (B, 1, H, W) images so that features computed from them are channels last in memory.

    In that layout convolutions on a CPU are up to twice as fast. With one channel both layouts
    describe the same memory, and torch chooses the layout by the strides of the copy.
    """
    return images.clone(memory_format=torch.channels_last)


def joint_conv(conv: nn.Conv2d, parts: list[Tensor]) -> Tensor:
    """Convolve the concatenation of feature maps without concatenating them.

    A convolution of concatenated channels is the sum of convolutions of the parts, each with
    its share of the weight. This avoids a copy of all parts.

    `conv` is padded with zeros and has as many inputs as all parts, (B, c_i, H, W) each, have
    channels. The result is (B, outputs, H, W).
    """
    weights = torch.split(conv.weight, [part.shape[1] for part in parts], dim=1)
    total = F.conv2d(parts[0], weights[0], conv.bias, padding=conv.padding)
    for part, weight in zip(parts[1:], weights[1:], strict=True):
        total += F.conv2d(part, weight, padding=conv.padding)
    return total


def bordered_conv(x: Tensor, weight: Tensor, bias: Tensor, mode: str) -> Tensor:
    """Convolve 3×3 at the same size, with the border mode `replicate` or `reflect`.

    First all pixels are computed with zeros outside, then the four edges again with the wanted
    border. A padded copy of each feature map would cost a fifth of the time of a narrow network.

    `mode` is that of `torch.nn.functional.pad`: (B, inputs, H, W) with H and W ≥ 2 for `reflect`,
    weight (outputs, inputs, 3, 3) and bias (outputs,) → (B, outputs, H, W).
    """

    def edge(part: Tensor, padding: tuple[int, int, int, int]) -> Tensor:
        return F.conv2d(F.pad(part, padding, mode=mode), weight, bias)

    if min(x.shape[-2:]) < 2:
        return edge(x, (1, 1, 1, 1))
    result = F.conv2d(x, weight, bias, padding=1)
    result[..., :1, :] = edge(x[..., :2, :], (1, 1, 1, 0))
    result[..., -1:, :] = edge(x[..., -2:, :], (1, 1, 0, 1))
    result[..., :1] = edge(x[..., :2], (1, 0, 1, 1))
    result[..., -1:] = edge(x[..., -2:], (0, 1, 1, 1))
    return result


class ReflectConv(nn.Conv2d):
    """3×3 convolution that reflects the image at its borders; H and W are 2 or more."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 3)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) → (B, outputs, H, W)."""
        assert self.bias is not None
        return bordered_conv(x, self.weight, self.bias, mode="reflect")


class ConvNorm(nn.Module):
    """3×3 convolution with repeated borders, batch normalisation, ReLU.

    In evaluation the normalisation is a fixed scale and shift, so it is folded into the
    convolution. The result is equal up to rounding and needs one pass over the image less.
    """

    def __init__(self, inputs: int, outputs: int, *, bias: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, bias=bias)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) → (B, outputs, H, W)."""
        if self.training:
            return self.unfolded(x)
        return F.relu_(bordered_conv(x, *folded(self.conv, self.bn), mode="replicate"))

    def unfolded(self, x: Tensor) -> Tensor:
        """Compute one operation after the other: numbers are rounded as in the authors' code."""
        return F.relu(self.bn(self.conv(F.pad(x, (1, 1, 1, 1), mode="replicate"))))


class PointNorm(nn.Module):
    """1×1 convolution and batch normalisation; in evaluation they become one linear map."""

    def __init__(self, inputs: int, outputs: int, *, bias: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 1, bias=bias)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) → (B, outputs, H, W)."""
        if self.training:
            normal: Tensor = self.bn(self.conv(x))
            return normal
        weight, bias = folded(self.conv, self.bn)
        # A channels-last image is already a matrix; a convolution would copy it.
        return F.linear(x.movedim(1, -1), weight[..., 0, 0], bias).movedim(-1, 1)


def folded(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Return weight and bias of a convolution that includes the normalisation after it.

    Raises:
        ValueError: if the normalisation has no running statistics to fold.
    """
    if norm.running_mean is None or norm.running_var is None:
        raise ValueError("folding needs running statistics")
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    bias = norm.bias - norm.running_mean * scale
    if conv.bias is not None:
        bias = bias + conv.bias * scale
    return conv.weight * scale[:, None, None, None], bias


class BatchRenorm(nn.BatchNorm2d):
    """Batch norm whose output in training equals its output in evaluation.

    This is Ioffe, "Batch Renormalization", NIPS 2017, without its bounds on r and d. With few
    images per batch, the moments of a batch can be far from the running moments, and then a
    network that was trained with the former is evaluated with others. Here the running moments
    normalise the output, while the gradient still includes that the batch's moments depend on the
    input. If several processes train together, the moments are those of all their batches.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, c, h, w) → the same shape."""
        if not self.training:
            return super().forward(x)
        x = x.to(self.weight.dtype)
        mean, variance = moments(x)
        deviation = torch.sqrt(variance + self.eps)
        r, d = self._corrections(mean.detach(), variance.detach(), deviation.detach())
        scale, shift = self.weight * r / deviation, self.weight * d + self.bias
        return (x - mean[:, None, None]) * scale[:, None, None] + shift[:, None, None]

    @torch.no_grad()
    def _corrections(
        self, mean: Tensor, variance: Tensor, deviation: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Update the running moments; return r and d of the paper's Eq. 4, (c,) each."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        # The first batches have a plain mean, so that the initial values have no influence.
        share = (1 / self.num_batches_tracked.to(mean.dtype)).clamp(min=self.momentum or 0.0)
        self.running_mean.lerp_(mean, share)
        # The variance of all pixels is that within the batches plus that of their means.
        self.running_var.lerp_(variance + (mean - self.running_mean) ** 2, share)
        running = torch.sqrt(self.running_var + self.eps)
        return deviation / running, (mean - self.running_mean) / running


def stretched(images: Tensor, epsilon: float = 0.0) -> Tensor:
    """Map each image linearly from its own minimum and maximum to 0 and 1.

    Args:
        images: (B, C, H, W).
        epsilon: number added to the span; with 0 a constant image becomes 0.
    """
    low, high = torch.aminmax(images.flatten(1), dim=1)
    span = (high - low + epsilon).clamp(min=torch.finfo(images.dtype).tiny)
    return (images - low[:, None, None, None]) / span[:, None, None, None]
