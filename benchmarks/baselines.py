"""Cost of the baselines against other code for the same networks: `python -m benchmarks.baselines`.

Prints processor seconds per pair on one thread, the best of several rounds, in one process per
method. The networks of the paper's five baselines are compared with recorded figures of their
authors' unmodified code, measured on a machine of the same kind. All others are compared with a
plain transcription of their description, alternating with ours in the same process. `--memory` adds
the peak memory of one pair of 1280×1024. Weights are random, because values change the time only
where they are subnormal; one line shows by how much. Run it more than once if other work shares the
processor.
"""

import argparse
import json
import resource
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from benchmarks.child import in_child

SIDE = 320
SIZES = ((320, 320), (480, 640))
LARGE = (1024, 1280)


class Authors(NamedTuple):
    """Processor seconds per image and peak memory of the authors' code, and our aim."""

    seconds: float
    memory_mib: float
    aim: float


AUTHORS = {
    "ydtr": Authors(2.58, 975, 3.0),
    "itfuse": Authors(0.79, 761, 2.5),
    "limfusion": Authors(1.77, 649, 2.0),
    "tardal": Authors(0.95, 490, 1.0),
    "umfusion": Authors(2.32, 742, 1.0),
}


def main() -> None:
    """Print the tables; a child process measures one method instead."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("methods", nargs="*")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--memory", action="store_true", help="peak memory of a large pair, too")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        function = globals()[arguments.measure]
        print(json.dumps(function(*arguments.methods, arguments.rounds)))
        return
    described = list(transcriptions())
    chosen = arguments.methods or [*AUTHORS, *described]
    print_against_authors([name for name in chosen if name in AUTHORS], arguments.rounds)
    print_against_descriptions(
        [name for name in chosen if name in described], arguments.rounds, arguments.memory
    )


def measured(function: str, name: str, rounds: int) -> Any:
    """Run one of the functions below in a child process with one thread."""
    words = (name, "--measure", function, "--rounds", rounds)
    return in_child("benchmarks.baselines", *words, threads=1)


def print_against_authors(names: list[str], rounds: int) -> None:
    """Compare with the recorded figures of the authors' code, at 320×320."""
    if not names:
        return
    print("method      CPU s  authors  faster   aim    MiB  authors  GFLOPs")
    for name in names:
        ours, theirs = measured("cost", name, rounds), AUTHORS[name]
        ratio = theirs.seconds / ours["seconds"]
        print(
            f"{name:<10} {ours['seconds']:>6.2f} {theirs.seconds:>8.2f} {ratio:>6.1f}x "
            f"{theirs.aim:>4.1f}x {ours['memory_mib']:>6.0f} {theirs.memory_mib:>8.0f} "
            f"{ours['gflops']:>7.1f}",
            flush=True,
        )
    print_information_map()
    print_tiny_numbers()


def print_against_descriptions(names: list[str], rounds: int, memory: bool) -> None:
    """Compare with plain transcriptions of the descriptions, and print peak memory if asked."""
    if not names:
        return
    sizes = [f"{width}×{height}" for height, width in SIZES]
    print(f"{'method':<13}" + "".join(f" {size:>9}   plain  faster" for size in sizes), end="")
    print(f"  MiB at {LARGE[1]}×{LARGE[0]}" if memory else "")
    for name in names:
        print(f"{name:<13}", end="")
        for ours, plain in measured("both", name, rounds):
            print(f" {ours:>9.3f} {plain:>7.3f} {plain / ours:>6.2f}x", end="")
        print(f" {measured('peak', name, 1):>8.0f}" if memory else "", flush=True)


def transcriptions() -> dict[str, Callable[..., Any]]:
    """Return the transcription of every network that has one."""
    from benchmarks import transcriptions, transcriptions_attentive

    return {**transcriptions.TRANSCRIPTIONS, **transcriptions_attentive.TRANSCRIPTIONS}


def loaded(name: str) -> Any:
    """Load a method with random weights, to run on one thread."""
    import torch

    from harness.fusing.inference import load_method
    from harness.methods.spec import discover

    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    return load_method(discover()[name], torch.device("cpu"), None, 0)


def seconds(function: Callable[..., Any], *arguments: Any) -> float:
    """Return the processor seconds of one call."""
    began = time.process_time()
    function(*arguments)
    return time.process_time() - began


def cost(name: str, rounds: int) -> dict[str, float]:
    """Measure seconds, peak memory and GFLOPs of one method."""
    import torch

    from harness.fusing.cost import gflops

    method, pair = loaded(name), torch.rand(2, 1, 1, SIDE, SIDE)
    best = min(seconds(method.fuse, *pair) for _ in range(rounds))
    operations = gflops(method, (SIDE, SIDE), torch.device("cpu")) or 0.0
    return {"seconds": best, "memory_mib": peak_memory(), "gflops": operations}


def both(name: str, rounds: int) -> list[tuple[float, float]]:
    """Measure a method and its transcription in turn: seconds of both at every size."""
    import torch

    method, plain = loaded(name), transcriptions()[name]
    found = []
    for size in SIZES:
        pair = torch.rand(2, 1, 1, *size)
        times = [
            (seconds(method.fuse, *pair), seconds(plain, method, *pair)) for _ in range(rounds)
        ]
        ours, theirs = map(min, zip(*times, strict=True))
        found.append((ours, theirs))
    return found


def peak(name: str, rounds: int) -> float:
    """Return the peak memory of fusing one large pair, in MiB."""
    import torch

    method = loaded(name)
    for _ in range(rounds):
        method.fuse(*torch.rand(2, 1, 1, *LARGE))
    return peak_memory()


def peak_memory() -> float:
    """Return the largest resident memory of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def print_information_map() -> None:
    """Compare the times of LiMFusion's information map and of scikit-image's HOG image."""
    import numpy as np
    import torch
    from skimage.feature import hog

    from baselines.limfusion.preparation import information_map

    torch.set_num_threads(1)
    image = np.random.default_rng(0).random((SIDE, SIDE), np.float32)
    began = time.process_time()
    hog(image, orientations=8, pixels_per_cell=(4, 4), cells_per_block=(2, 2), visualize=True)
    theirs = time.process_time() - began
    began = time.process_time()
    information_map(torch.from_numpy(image)[None, None])
    ours = time.process_time() - began
    print(
        f"LiMFusion's information map: {1000 * ours:.1f} ms, by scikit-image {1000 * theirs:.0f} ms"
    )


def print_tiny_numbers() -> None:
    """Compare the times of a network with decayed weights, taken for 0 and as they are."""
    ours, plain = measured("subnormal", "tardal", 3)
    print(f"subnormal weights as 0: {ours:.2f} s, as they are {plain:.2f} s, {plain / ours:.1f}x")


def subnormal(name: str, rounds: int) -> tuple[float, float]:
    """Measure a method with subnormal weights: seconds where they are 0, and as they are."""
    import torch

    from harness.fusing.inference import call_fuse

    method, pair = loaded(name), torch.rand(2, 1, 1, SIDE, SIDE)
    for weights in method.parameters():
        # The authors' file `ct` of TarDAL holds as many.
        weights.mul_(torch.where(torch.rand_like(weights) < 0.28, 1e-38, 1.0))
    times = [
        (seconds(lambda: call_fuse(method, *pair, what="pair")), seconds(method.fuse, *pair))
        for _ in range(rounds)
    ]
    ours, plain = map(min, zip(*times, strict=True))
    return ours, plain


if __name__ == "__main__":
    main()
