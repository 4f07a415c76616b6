"""Reserve one GPU per process, where several jobs run on a machine with several GPUs.

Snakemake counts the resource `gpu` but does not assign devices, so each process reserves one.
"""

import os
import re
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

from filelock import FileLock, Timeout

from harness.errors import HarnessError

VISIBLE = "CUDA_VISIBLE_DEVICES"
POLL_SECONDS = 0.2
"""Seconds between two attempts to reserve a GPU."""

# A lock is released when its object is deleted, so keep the objects until the process ends.
_held: list[FileLock] = []


def check_device_name(name: str) -> str:
    """Return `name` if it is `auto`, `cpu`, `cuda` or `cuda:N`; torch is not loaded for this.

    Raises:
        HarnessError: if it is another name.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", name):
        raise HarnessError(f"device is {name!r}; use auto, cpu, cuda or cuda:N")
    return name


def claim_gpu() -> str | None:
    """Reserve a free GPU until this process ends, and hide the other GPUs from CUDA.

    The candidates are the ids in CUDA_VISIBLE_DEVICES, or all GPUs if it is not set. If other
    processes of this user have reserved every one of them, this waits. The kernel releases the
    reservation however the process ends. Call this before CUDA starts; later calls do nothing.

    Returns:
        The id of the GPU, or None if there are fewer than two candidates: a single id that a
        scheduler or a user has set stays as it is.
    """
    pool = visible_gpus()
    if len(pool) < 2:
        return None
    # A scheduler may number the GPUs of each job from 0: the same id in two jobs then means
    # two different devices.
    job = os.environ.get("SLURM_JOB_ID", "machine")
    folder = Path(tempfile.gettempdir(), f"gpu-slots-{os.getuid()}", job)
    folder.mkdir(parents=True, exist_ok=True)
    waiting = False
    while True:
        for device in pool:
            lock = FileLock(folder / f"{quote(device, safe='')}.lock")
            try:
                lock.acquire(blocking=False)
            except Timeout:
                continue
            _held.append(lock)
            os.environ[VISIBLE] = device
            return device
        if not waiting:
            print(f"waiting for one of the GPUs {', '.join(pool)}", flush=True)
            waiting = True
        time.sleep(POLL_SECONDS)


def visible_gpus() -> list[str]:
    """Return the ids of the GPUs that this process may use, without starting CUDA."""
    named = os.environ.get(VISIBLE)
    if named is not None:
        return [device.strip() for device in named.split(",") if device.strip()]
    return [str(index) for index, _ in enumerate(Path("/dev").glob("nvidia[0-9]*"))]
