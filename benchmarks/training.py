"""Speed of SegFANet's training steps: `python -m benchmarks.training`.

Trains with batch 2 of 320×320 tiles on two threads, and measures two references in the same
run. The first is the best rate of a 3×3 channels-last convolution, which bounds what this
processor can do for the network. The second is a plain training step, as one writes it first:
eager, NCHW, fp32, 11×11 SSIM windows, tiles decoded from PNG. Each figure is a median over the
rounds, and each round runs in a process of its own.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.child import in_child

SIDE, BATCH, CLASSES, TILES = 320, 2, 7, 8
PEAK_SHAPES = ((16, 320), (32, 320), (32, 160), (64, 160), (64, 80), (128, 80))
"""(channels, side) of the network's own 3×3 convolutions; side in pixels."""


def main():
    """Print the table; a child process measures one thing instead."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--widths", type=int, nargs="+", default=[16, 32])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=4, help="timed steps per round; default 4")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        kind, width, precision = arguments.measure
        print(json.dumps(measure(kind, int(width), precision, arguments)))
        return
    print(f"{arguments.threads} threads, {BATCH} tiles of {SIDE}×{SIDE} per step")
    for width in arguments.widths:
        rounds = [_round(width, arguments) for _ in range(arguments.rounds)]
        _print(width, {name: _median([r[name] for r in rounds]) for name in rounds[0]})


def _round(width, arguments):
    kinds = [("peak", "fp32"), ("peak", "bf16"), ("ours", "fp32"), ("ours", "bf16")]
    kinds.append(("plain", "fp32"))
    options = ("--steps", arguments.steps, "--threads", arguments.threads, "--measure")
    return {
        f"{kind} {precision}": in_child(
            "benchmarks.training", *options, kind, width, precision, threads=arguments.threads
        )
        for kind, precision in kinds
    }


def _median(rows):
    return {key: statistics.median(row[key] for row in rows) for key in rows[0]}


def _print(width, figures):
    plain = figures["plain fp32"]["seconds"]
    print(f"\nwidth {width}: {figures['ours fp32']['gflop']:.0f} GFLOP per step")
    print("        s/step  GFLOP/s   peak  share  losses   data  × plain")
    for precision in ("fp32", "bf16"):
        ours, peak = figures[f"ours {precision}"], figures[f"peak {precision}"]["rate"]
        rate = ours["gflop"] / ours["seconds"]
        seconds = ours["seconds"]
        print(
            f"{precision:<6}{seconds:>8.3f}{rate:>9.0f}{peak:>7.0f}{rate / peak:>7.0%}"
            f"{ours['losses'] / seconds:>8.1%}{ours['data'] / seconds:>7.2%}{plain / seconds:>9.2f}"
        )
    print(f"{'plain':<6}{plain:>8.3f}")


def measure(kind, width, precision, arguments):
    """Measure `peak`, `ours` or `plain` in this process."""
    import torch

    torch.set_num_threads(arguments.threads)
    if kind == "peak":
        return {"rate": peak_rate(precision)}
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        tiles = _tiles()
        if kind == "ours":
            return ours(width, precision, tiles, arguments.steps)
        return {"seconds": plain(width, tiles, Path(folder), arguments.steps)}


def _tiles():
    import numpy as np

    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (TILES, 5, SIDE // 8, SIDE // 8), dtype=np.uint8)
    tiles = coarse.repeat(8, 2).repeat(8, 3)
    tiles[:, 4] %= CLASSES
    return tiles


def peak_rate(precision):
    """Measure the best forward rate of the network's 3×3 channels-last convolutions, GFLOP/s."""
    import torch

    from harness.machine.allocator import keep_freed_memory
    from harness.training.precision import DTYPES

    keep_freed_memory()
    dtype = DTYPES.get(precision, torch.float32)
    rates = []
    for channels, side in PEAK_SHAPES:
        x = torch.rand(BATCH, channels, side, side, dtype=dtype)
        x = x.to(memory_format=torch.channels_last)
        conv = torch.nn.Conv2d(channels, channels, 3, padding=1, dtype=dtype)
        conv = conv.to(memory_format=torch.channels_last)
        with torch.no_grad():
            seconds = min(_time(lambda: conv(x)) for _ in range(12))  # noqa: B023
        rates.append(2 * BATCH * side**2 * channels**2 * 9 / seconds / 1e9)
    return max(rates)


def _time(call):
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def _typical(call, count):
    call()
    return statistics.median(_time(call) for _ in range(count))


def ours(width, precision, tiles, steps):
    """Measure a whole step, its data and its losses in seconds, and count its operations."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from harness.methods.recipe import Recipe
    from harness.training.engine import Task, Training
    from segfanet.method import SegFANetMethod

    cpu = torch.device("cpu")
    names = [str(i) for i in range(len(tiles))]
    recipe = Recipe(steps=1000, batch=BATCH, precision=precision)
    run = Training(SegFANetMethod(CLASSES, width=width), Task(recipe, tiles, names, cpu))
    with FlopCounterMode(display=False) as counter:
        run.advance()
    return {
        "seconds": _typical(run.advance, steps),
        "data": _typical(lambda: run.batches.load(run.step, cpu), steps),
        "losses": _typical(_losses_only(run, cpu), steps),
        "gflop": counter.get_total_flops() / 1e9,
    }


def _losses_only(run, device):
    """Return a call that runs the losses alone, forward and backward, on a detached output."""
    import dataclasses

    import torch

    method = run.method
    batch = run.batches.load(run.step, device)
    with torch.no_grad(), run.precision.forward():
        output = method(batch.infrared, batch.visible)
    fused, logits = (x.detach().requires_grad_() for x in (output.fused, output.logits))
    images = [image.detach().requires_grad_() for image in output.reconstructed]
    fixed = dataclasses.replace(output, fused=fused, logits=logits, reconstructed=images)

    def call():
        with run.precision.forward():
            terms = method.losses(fixed, batch)
        torch.stack(list(terms.values())).sum().backward()

    return call


def plain(width, tiles, folder, steps):
    """Measure the seconds of a plain step."""
    import numpy as np
    import torch
    from PIL import Image

    from segfanet.config import Config
    from segfanet.model import SegFANet

    for index, tile in enumerate(tiles):
        Image.fromarray(tile[:3].transpose(1, 2, 0)).save(folder / f"rgb{index}.png")
        Image.fromarray(tile[3]).save(folder / f"ir{index}.png")
        Image.fromarray(tile[4]).save(folder / f"seg{index}.png")
    network = SegFANet(Config(width, classes=CLASSES)).to(memory_format=torch.contiguous_format)
    optimiser = torch.optim.Adam(network.parameters(), 1e-4)
    weights = torch.tensor([0.299, 0.587, 0.114])[:, None, None]

    def read(name, index):
        return torch.from_numpy(np.array(Image.open(folder / f"{name}{index}.png")))

    def step():
        chosen = torch.randperm(len(tiles))[:BATCH].tolist()
        rgb = torch.stack([read("rgb", i).permute(2, 0, 1) for i in chosen]).float() / 255
        infrared = torch.stack([read("ir", i)[None] for i in chosen]).float() / 255
        label = torch.stack([read("seg", i) for i in chosen]).long()
        visible = (rgb * weights).sum(1, keepdim=True)
        optimiser.zero_grad()
        _plain_loss(network(infrared, visible), infrared, visible, label).backward()
        optimiser.step()

    return _typical(step, steps)


def _plain_loss(output, infrared, visible, label):
    import torch
    import torch.nn.functional as F

    loss = F.cross_entropy(output.logits, label)
    shares = output.logits.softmax(1)
    target = F.one_hot(label, CLASSES).permute(0, 3, 1, 2).float()
    overlap = (shares * target).sum((0, 2, 3))
    loss = loss + 1 - ((2 * overlap + 0.05) / ((shares + target).sum((0, 2, 3)) + 0.05)).mean()
    for image in (output.fused, *output.reconstructed):
        for source in (infrared, visible):
            small = F.interpolate(source, image.shape[-2:], mode="bilinear", antialias=True)
            loss = loss + 1 - _plain_ssim(image, small)
    return torch.as_tensor(loss)


def _plain_ssim(a, b):
    import torch
    import torch.nn.functional as F

    x = torch.exp(-((torch.arange(11) - 5.0) ** 2) / 4.5)
    window = torch.outer(x, x)[None, None] / x.sum() ** 2
    mean_a, mean_b = F.conv2d(a, window), F.conv2d(b, window)
    var_a = F.conv2d(a * a, window) - mean_a**2
    var_b = F.conv2d(b * b, window) - mean_b**2
    cov = F.conv2d(a * b, window) - mean_a * mean_b
    top = (2 * mean_a * mean_b + 0.01**2) * (2 * cov + 0.03**2)
    return (top / ((mean_a**2 + mean_b**2 + 0.01**2) * (var_a + var_b + 0.03**2))).mean()


if __name__ == "__main__":
    main()
