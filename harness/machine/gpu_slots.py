"""One GPU a process, where jobs run side by side on a machine with several.

Snakemake counts the resource `gpu` and hands out no device; here each process takes one.
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

# Kept so that the locks last as long as the process.
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
    """Take a free GPU for the rest of the process, and let CUDA see no other.

    The choice is among the ids of CUDA_VISIBLE_DEVICES, or all GPUs where it is not set. While
    every one is taken by another process of this user, this waits. The kernel gives a GPU back
    however its process ends. Call it before CUDA starts; later calls change nothing.

    Returns:
        The id taken, or None where there is no choice: a scheduler's or a user's single id
        stays as it is.
    """
    pool = visible_gpus()
    if len(pool) < 2:
        return None
    folder = _lock_folder()
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
    """Ids of the GPUs that this process may use, found without starting CUDA."""
    named = os.environ.get(VISIBLE)
    if named is not None:
        return [device.strip() for device in named.split(",") if device.strip()]
    return [str(index) for index, _ in enumerate(Path("/dev").glob("nvidia[0-9]*"))]


def _lock_folder() -> Path:
    # A scheduler may number the GPUs of each of its jobs from 0: equal ids of two jobs then are
    # different devices.
    job = os.environ.get("SLURM_JOB_ID", "machine")
    folder = Path(tempfile.gettempdir(), f"gpu-slots-{os.getuid()}", job)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
