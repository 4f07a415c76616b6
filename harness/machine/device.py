"""Choose the device, and set up torch and threads so that runs are repeatable."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import torch

from harness.errors import HarnessError
from harness.machine.gpu_slots import check_device_name, claim_gpu

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)
"""Environment variables that limit the threads of numerical libraries."""


def choose_device(name: str) -> torch.device:
    """Turn `auto`, `cpu`, `cuda` or `cuda:1` into a device; `auto` prefers CUDA.

    Where several GPUs are visible, `auto` and `cuda` reserve one of them for this process and
    wait until one is free. `cuda:1` is used without a reservation.

    Raises:
        HarnessError: for another name, or if CUDA is requested and there is no GPU.
    """
    if check_device_name(name) in ("auto", "cuda"):
        claim_gpu()
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise HarnessError(f"device is {name!r}, but torch sees no GPU; use `auto` or `cpu`")
    return torch.device(name)


def make_deterministic(seed: int, threads: int) -> None:
    """Seed torch, fix the number of threads, and warn about nondeterministic kernels."""
    limit_threads(threads)
    torch.manual_seed(seed)
    # cuBLAS repeats its sums in the same order only with a workspace of fixed size.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # This does the same as `use_deterministic_algorithms(True, warn_only=True)`, which also
    # imports the compiler; that takes over a second per job, and nothing here uses it.
    torch.set_deterministic_debug_mode("warn")
    torch.backends.cudnn.benchmark = False
    # Single precision is what it says: TF32 has ten bits, and its images differ by grey levels.
    torch.backends.cudnn.allow_tf32 = False


def thread_limits(threads: int) -> dict[str, str]:
    """Return environment variables that limit the threads of libraries loaded later."""
    return dict.fromkeys(THREAD_VARIABLES, str(threads))


def limit_threads(threads: int) -> None:
    """Limit torch, libraries that are loaded later, and child processes to `threads` threads."""
    os.environ.update(thread_limits(threads))
    torch.set_num_threads(threads)
    # torch refuses this after operators have run in parallel; the number is then already fixed.
    with suppress(RuntimeError):
        torch.set_num_interop_threads(threads)


@contextmanager
def tiny_numbers_as_zero() -> Iterator[None]:
    """Take subnormal numbers, which in float32 are nearer to 0 than 1.2e-38, for 0 within `with`.

    This holds for this thread, and for good for all threads that it starts there. Afterwards it is
    off in this thread, whatever it was before.

    An operation with such numbers takes many times as long, and weights that decayed during
    training are full of them: with its authors' file `ct`, TarDAL takes 25 instead of 0.8 s for
    three pairs of 256×256. Its outputs are the same to the last bit. Nothing is trained with this
    setting, so that no checkpoint depends on it. A processor that does not know it is only slower.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def synchronise(device: torch.device) -> None:
    """Wait until the device has finished its work, so that the clock can be read."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
