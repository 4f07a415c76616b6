"""Speed of SegFANet's training on a GPU: `python -m benchmarks.gpu`.

Trains with batch 2 of 320×320 tiles, and prints the time of a step, images per second, and the
share of the card's peak that it reaches. The peak is the best rate of a matrix product in the
same precision, measured in the same process; `fp32` is without TF32, as in a training. Compare
figures of one card only.
"""

import argparse
import statistics
import sys
import time

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from harness.errors import HarnessError
from harness.machine.device import choose_device, make_deterministic, synchronise
from harness.methods.recipe import Recipe
from harness.training.engine import Task, Training
from harness.training.precision import DTYPES
from segfanet.method import SegFANetMethod

BATCH, CLASSES, TILES = 2, 7, 16
HEADS = ("width", "precision", "ms/step", "images/s", "TFLOP/s", "peak", "share", "MiB")


def main(arguments=None):
    """Print one line per width and precision."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--widths", type=int, nargs="+", default=[16, 32])
    parser.add_argument("--precisions", nargs="+", default=["fp32", "bf16", "fp16"])
    parser.add_argument("--device", default="cuda", help="cuda (default), cuda:N, auto or cpu")
    parser.add_argument("--side", type=int, default=320, help="pixels of a tile; default 320")
    parser.add_argument("--steps", type=int, default=30, help="timed steps; default 30")
    parser.add_argument("--matrix", type=int, default=8192, help="side of the product; 8192")
    given = parser.parse_args(arguments)
    make_deterministic(0, torch.get_num_threads())
    try:
        device = choose_device(given.device)
    except HarnessError as error:
        sys.exit(f"benchmarks.gpu: {error}")
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "processor"
    print(f"{name}, {BATCH} tiles of {given.side}×{given.side} per step")
    print("{:>5}  {:<9}{:>8}{:>10}{:>9}{:>8}{:>8}{:>8}".format(*HEADS))
    for width in given.widths:
        for precision in given.precisions:
            print(line(width, precision, device, given), flush=True)


def line(width, precision, device, given):
    """Measure one setting; return its line."""
    peak = peak_rate(precision, device, given.matrix)
    seconds, flop, memory = training_step(width, precision, device, given.side, given.steps)
    rate = flop / seconds
    return (
        f"{width:>5}  {precision:<9}{1000 * seconds:>8.1f}{BATCH / seconds:>10.1f}"
        f"{rate / 1e12:>9.4f}{peak / 1e12:>8.3f}{rate / peak:>8.1%}"
        f"{'–' if memory is None else round(memory / 2**20):>8}"
    )


def peak_rate(precision, device, side):
    """Return the best rate of a product of two square matrices, in operations per second."""
    dtype = DTYPES.get(precision, torch.float32)
    a, b = (torch.rand(side, side, device=device, dtype=dtype) for _ in range(2))
    return 2 * side**3 / min(timed(lambda: a @ b, device) for _ in range(6))


def training_step(width, precision, device, side, steps):
    """Return median seconds and operations of a step, and peak bytes on the device or None."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (TILES, 5, side // 8, side // 8), dtype=np.uint8)
    tiles = coarse.repeat(8, 2).repeat(8, 3)
    tiles[:, 4] %= CLASSES
    torch.manual_seed(0)
    method = SegFANetMethod(CLASSES, width=width)
    recipe = Recipe(steps=10**6, batch=BATCH, precision=precision)
    training = Training(method, Task(recipe, tiles, [str(i) for i in range(TILES)], device))
    with FlopCounterMode(display=False) as counter:
        training.advance()
    on_card = device.type == "cuda"
    if on_card:
        torch.cuda.reset_peak_memory_stats(device)
    training.advance()
    seconds = statistics.median(timed(training.advance, device) for _ in range(steps))
    memory = torch.cuda.max_memory_allocated(device) if on_card else None
    return seconds, counter.get_total_flops(), memory


def timed(call, device):
    """Return the seconds of a call, until the device has finished it."""
    synchronise(device)
    began = time.perf_counter()
    call()
    synchronise(device)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
