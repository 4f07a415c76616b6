"""Cost of the five baselines against the authors' code: `python -m benchmarks.baselines`.

Prints processor seconds for one 320×320 pair on one thread, the best of several rounds, and
peak memory. Each method runs in a process of its own. The authors' figures were measured with
their unmodified networks on a machine of the same kind. Weights are random, because they do
not change the time. Run it more than once if other work shares the processor.
"""

import argparse
import json
import resource
import time
from typing import NamedTuple

from benchmarks.child import in_child

SIDE = 320


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
    """Print the table; a child process measures one method instead."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("methods", nargs="*", default=list(AUTHORS))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure, arguments.rounds)))
        return
    print("method      CPU s  authors  faster   aim    MiB  authors  GFLOPs")
    for name in arguments.methods:
        options = ("--measure", name, "--rounds", arguments.rounds)
        ours, theirs = in_child("benchmarks.baselines", *options, threads=1), AUTHORS[name]
        ratio = theirs.seconds / ours["seconds"]
        print(
            f"{name:<10} {ours['seconds']:>6.2f} {theirs.seconds:>8.2f} {ratio:>6.1f}x "
            f"{theirs.aim:>4.1f}x {ours['memory_mib']:>6.0f} {theirs.memory_mib:>8.0f} "
            f"{ours['gflops']:>7.1f}"
        )
    print_information_map()


def measure(name: str, rounds: int) -> dict[str, float]:
    """Measure seconds, peak memory and GFLOPs of one method."""
    import torch

    from harness.fusing.cost import gflops
    from harness.fusing.inference import load_method
    from harness.methods.spec import discover

    torch.set_num_threads(1)
    device = torch.device("cpu")
    method = load_method(discover()[name], device, None, 0)
    infrared, visible = torch.rand(2, 1, 1, SIDE, SIDE)
    times = []
    with torch.no_grad():
        for _ in range(rounds):
            began = time.process_time()
            method.fuse(infrared, visible)
            times.append(time.process_time() - began)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    operations = gflops(method, (SIDE, SIDE), device) or 0.0
    return {"seconds": min(times), "memory_mib": memory, "gflops": operations}


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


if __name__ == "__main__":
    main()
