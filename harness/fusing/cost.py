"""What fusing costs: parameters, operations, memory."""

from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from harness.disk.records import peak_memory_mib
from harness.methods.contract import Method
from harness.methods.weights import AUXILIARY


def parameters(method: object) -> int | None:
    """Number of parameters, auxiliary networks left out; None for what is no torch module."""
    if not isinstance(method, torch.nn.Module):
        return None
    return sum(
        tensor.numel()
        for name, tensor in method.named_parameters()
        if not name.startswith(AUXILIARY)
    )


def gflops(method: Method, size: tuple[int, int], device: torch.device) -> float | None:
    """10⁹ operations of convolutions and matrix products for one pair, a multiply-add being two.

    Args:
        method: on the device, in eval mode.
        size: height and width of the pair, which is black.
        device: where the method is.

    Returns:
        None for a method that is no torch module, or that cannot fuse a black pair.
    """
    if not isinstance(method, torch.nn.Module):
        return None
    pair = torch.zeros(2, 1, 1, *size, device=device)
    counter = FlopCounterMode(display=False)
    try:
        with torch.no_grad(), counter:
            method.fuse(pair[0], pair[1])
    except Exception:
        # What a method does to real pairs is judged elsewhere; here only the count is lost.
        return None
    return round(counter.get_total_flops() / 1e9, 3)


def cost(method: Method, size: tuple[int, int], device: torch.device) -> dict[str, Any]:
    """Parameters, GFLOPs, and the largest memory so far: the device's, or the process's."""
    on_device = device.type == "cuda"
    peak = torch.cuda.max_memory_allocated(device) / 2**20 if on_device else peak_memory_mib()
    return {
        "parameters": parameters(method),
        "gflops": gflops(method, size, device),
        "peak_memory_mib": round(peak, 1),
    }
