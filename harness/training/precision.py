"""Mixed precision: the forward pass in half precision, weights and losses in single."""

from contextlib import AbstractContextManager

import torch

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Precision:
    """The precision `fp32`, `bf16` or `fp16` on one device.

    fp16 scales the loss, because small gradients would otherwise become zero.
    """

    def __init__(self, name: str, device: torch.device) -> None:
        self.dtype, self.device = DTYPES.get(name), device
        self.scaler = torch.amp.GradScaler(device.type, enabled=name == "fp16")

    def forward(self) -> AbstractContextManager[object]:
        """Return the context of the forward pass."""
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype is not None)

    def backward(self, loss: torch.Tensor) -> None:
        """Add the gradients of `loss` to those of the parameters."""
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]

    def step(self, optimiser: torch.optim.Optimizer) -> None:
        """Take one step, or skip it if the scaled gradients overflowed."""
        self.scaler.step(optimiser)
        self.scaler.update()
