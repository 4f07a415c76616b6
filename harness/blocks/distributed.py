"""Exchange between processes that train together: sums, gradients and batch statistics.

In a process that trains alone, no function exchanges anything. Batch statistics are exchanged
so that several processes minimise the same loss as one process that sees the whole batch.
"""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


def processes() -> int:
    """Return the number of processes that train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Return the number of this process, from 0; process 0 writes the files."""
    return dist.get_rank() if processes() > 1 else 0


class _Sum(torch.autograd.Function):
    """Sum over the processes, whose gradient is the sum of their gradients."""

    @staticmethod
    def forward(context: Any, values: Tensor) -> Tensor:
        return _summed(values)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        return _summed(gradients[0].contiguous())


def _summed(values: Tensor) -> Tensor:
    summed = values.clone()
    dist.all_reduce(summed)
    return summed


def total(values: Tensor) -> Tensor:
    """Return the sum over the processes; gradients flow back to all of them."""
    return _Sum.apply(values) if processes() > 1 else values  # type: ignore[no-untyped-call]


def average(values: Tensor) -> Tensor:
    """Return the mean over the processes, without gradients."""
    return _summed(values) / processes() if processes() > 1 else values


def average_gradients(module: nn.Module) -> None:
    """Replace every gradient by its mean over the processes, in one exchange."""
    if processes() == 1:
        return
    parameters = [p for p in module.parameters() if p.requires_grad]
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    gradients = [p.grad for p in parameters if p.grad is not None]
    mean = average(torch.cat([gradient.flatten() for gradient in gradients]))
    parts = torch.split(mean, [gradient.numel() for gradient in gradients])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.view_as(gradient))


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and variance (c,) of each channel of (B, c, h, w) over all processes.

    Two passes are needed, because a variance computed from a sum of squares loses digits. B must
    be the same in all processes.
    """
    count = x.numel() // x.shape[1] * processes()
    mean = total(x.sum((0, 2, 3))) / count
    variance = total(((x - mean[:, None, None]) ** 2).sum((0, 2, 3))) / count
    return mean, variance


class SyncedBatchNorm(nn.BatchNorm2d):
    """Batch norm over the batches of all processes; torch's own version needs a GPU."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, c, h, w) → the same shape."""
        if not self.training:
            return super().forward(x)
        x = x.to(self.weight.dtype)
        mean, variance = moments(x)
        count = x.numel() // x.shape[1] * processes()
        self._remember(mean.detach(), variance.detach() * count / (count - 1))
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return (x - mean[:, None, None]) * scale[:, None, None] + self.bias[:, None, None]

    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        momentum = self.momentum or 0.1
        with torch.no_grad():
            self.running_mean.lerp_(mean, momentum)  # type: ignore[union-attr]
            self.running_var.lerp_(variance, momentum)  # type: ignore[union-attr]
            self.num_batches_tracked.add_(1)  # type: ignore[union-attr]


def synchronise_batch_norms(module: nn.Module) -> None:
    """Replace each `BatchNorm2d` below `module` by one over the batches of all processes."""
    for name, child in module.named_children():
        if type(child) is nn.BatchNorm2d and processes() > 1:
            synced = SyncedBatchNorm(child.num_features, child.eps, child.momentum)
            synced.weight, synced.bias = child.weight, child.bias
            synced.load_state_dict(child.state_dict())
            setattr(module, name, synced.to(child.weight.device))
        else:
            synchronise_batch_norms(child)
