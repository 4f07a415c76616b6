"""Choosing the device, and the settings that make a run repeatable on it."""

import os

import torch

from harness.errors import HarnessError


def choose_device(name: str) -> torch.device:
    """Turn `auto`, `cpu`, `cuda` or `cuda:1` into a device; `auto` prefers CUDA.

    Raises:
        HarnessError: if CUDA is asked for and not there.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise HarnessError(f"device is {name!r}, but torch sees no GPU; use `auto` or `cpu`")
    return torch.device(name)


def make_deterministic(seed: int, threads: int) -> None:
    """Seed torch, fix the thread count and refuse nondeterministic kernels."""
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    # cuBLAS needs a fixed workspace to repeat its sums in the same order.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = False


def synchronise(device: torch.device) -> None:
    """Wait for the device, so that a clock read afterwards is true."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
