"""Measure what fusing costs: parameters, operations and memory."""

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from harness.disk.records import peak_memory_mib
from harness.machine.device import tiny_numbers_as_zero
from harness.methods.contract import Method
from harness.methods.weights import AUXILIARY


def parameters(method: object) -> int | None:
    """Count parameters without auxiliary networks; None if `method` is not a torch module."""
    if not isinstance(method, torch.nn.Module):
        return None
    return sum(
        tensor.numel()
        for name, tensor in method.named_parameters()
        if not name.startswith(AUXILIARY)
    )


class OperationCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts, by torch's formulas, the operations of convolutions and matrix products.

    torch's own counter follows modules by hooks, which forbid gradients of gradients. This one
    refuses operations that hold a program, such as `torch.cond`.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.total = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # By default torch excludes this class from compilation, for which it loads its compiler;
        # this takes a second.
        return False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run one operation, in parts if it consists of others, and count it."""
        formula, named = flop_registry.get(func.overloadpacket), kwargs or {}
        if formula is None:
            with self:
                parts = func.decompose(*args, **named)
            if parts is not NotImplemented:
                return parts
        result = func(*args, **named)
        if formula is not None:
            self.total += formula(*args, **named, out_val=result)
        return result


def gflops(method: Method, size: tuple[int, int], device: torch.device) -> float | None:
    """Count 10⁹ operations of convolutions and matrix products for one black (H, W) pair.

    One multiply-add counts as two operations. None if the method, which is on the device in
    evaluation mode, is not a torch module or cannot fuse a black pair.
    """
    if not isinstance(method, torch.nn.Module):
        return None
    pair = torch.zeros(2, 1, 1, *size, device=device)
    counter = OperationCounter()
    try:
        with torch.no_grad(), tiny_numbers_as_zero(), counter:
            method.fuse(pair[0], pair[1])
    except Exception:
        # Real pairs are checked elsewhere; a failure here only means that there is no count.
        return None
    return round(counter.total / 1e9, 3)


def inference_cost(method: Method, size: tuple[int, int], device: torch.device) -> dict[str, Any]:
    """Return parameters, GFLOPs and peak memory (MiB) for the record.

    The memory is that of the device on CUDA, and that of this process elsewhere.
    """
    on_device = device.type == "cuda"
    peak = torch.cuda.max_memory_allocated(device) / 2**20 if on_device else peak_memory_mib()
    return {
        "parameters": parameters(method),
        "gflops": gflops(method, size, device),
        "peak_memory_mib": round(peak, 1),
    }
