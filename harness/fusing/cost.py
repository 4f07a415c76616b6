"""Measure what fusing costs: parameters, operations and memory."""

from typing import Any, Self

import torch
from torch.utils.flop_counter import FlopCounterMode
from torch.utils.module_tracker import ModuleTracker

from harness.disk.records import peak_memory_mib
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


class _NoModules(ModuleTracker):
    """A tracker that does not follow modules, as its hooks forbid gradients of gradients."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class OperationCounter(FlopCounterMode):
    """Counts operations in all, in networks whose loss takes gradients itself as well."""

    def __init__(self) -> None:
        super().__init__(display=False)
        self.mod_tracker = _NoModules()


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
        with torch.no_grad(), counter:
            method.fuse(pair[0], pair[1])
    except Exception:
        # Real pairs are checked elsewhere; a failure here only means that there is no count.
        return None
    return round(counter.get_total_flops() / 1e9, 3)


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
