"""Time the metrics beside public references in one run, and print ratios.

Run from the repository's root: `python benchmarks/metrics.py [--pairs 24] [--files 300]`. The
reference for the four paper metrics is sewar's vifp, once per source, plus plain numpy for the
rest; without sewar that row is left out. Every figure is the best of several rounds, in which the
candidates take turns. Ratios of processor seconds stand beside those of elapsed time: they are
meaningful on a busy machine too.
"""

import argparse
import functools
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from metrics import METRICS, score, score_methods
from metrics.cli import score_files
from metrics.images import pair_files, read_aligned
from metrics.registry import PAPER
from metrics.shared.moments import WINDOWS

SIDE = 320
THREADS = 2
METHODS = 10
PRODUCT = 1500
ROLES = ("fused", "infrared", "visible")


def main() -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=24, help="320×320 pairs in memory")
    parser.add_argument("--files", type=int, default=300, help="PNG triples on disk")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    load = os.getloadavg()[0]
    print(
        f"load average {load:.1f} on {os.cpu_count()} cores"
        + ("; too busy\n" if load > 1 else "\n")
    )
    triple = scenes(options.pairs)
    score(*triple)
    compare_implementations(triple, options.rounds)
    compare_method_counts(triple, options.rounds)
    compare_with_decoding(options.files, options.rounds)


def scenes(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw triples (count, 320, 320) with the spectrum of photographs."""
    rng = np.random.default_rng(0)
    shape = count, SIDE, SIDE
    layers = [gaussian_filter(rng.normal(size=shape), (0, s, s)) * s for s in (1, 4, 16)]
    common = sum(layers)
    infrared, visible = (common + gaussian_filter(rng.normal(size=shape), (0, 2, 2)) for _ in "ab")
    images = ((infrared + visible) / 2, infrared, visible)
    fused, infrared, visible = (
        np.clip(np.rint(128 + 60 * image), 0, 255).astype(np.uint8) for image in images
    )
    return fused, infrared, visible


class Best(NamedTuple):
    """Shortest elapsed time and processor time of one candidate, in seconds."""

    wall: float
    processor: float


def best_of(candidates: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, Best]:
    """Run the candidates in turn and give the shortest times of each."""
    times: dict[str, list[Best]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, candidate in candidates.items():
            wall, processor = time.perf_counter(), time.process_time()
            candidate()
            spent = Best(time.perf_counter() - wall, time.process_time() - processor)
            times[name].append(spent)
    return {name: Best(*map(min, zip(*taken, strict=True))) for name, taken in times.items()}


def ratio(over: Best, under: Best) -> str:
    """Word the ratio of two times."""
    wall, processor = over.wall / under.wall, over.processor / under.processor
    return f"{wall:.2f} × elapsed, {processor:.2f} × processor"


def sewar_and_numpy(fused: np.ndarray, infrared: np.ndarray, visible: np.ndarray) -> None:
    """Measure one triple (1, H, W) with what is publicly at hand."""
    from sewar.full_ref import vifp

    for name in ("sf", "ag", "scd"):
        METRICS[name].measure(fused, infrared, visible)
    for source in (infrared, visible):
        vifp(source[0], fused[0])


def compare_implementations(triple: tuple[np.ndarray, ...], rounds: int) -> None:
    """Print milliseconds per triple, ratios to the reference and the share of the bound."""
    count = len(triple[0])
    one = tuple(batch[:1] for batch in triple)
    candidates: dict[str, Callable[[], object]] = {
        "compiled, 1 thread": lambda: score(*triple, compiled=True),
        f"compiled, {THREADS} threads": lambda: score(*triple, compiled=True, threads=THREADS),
        f"plain numpy, {THREADS} threads": lambda: score(*triple, compiled=False, threads=THREADS),
        "matrix product": matrix_product,
    }
    try:
        import sewar  # noqa: F401

        candidates["sewar + numpy"] = lambda: sewar_and_numpy(*one)
    except ImportError:
        print("sewar is not installed: no reference row\n")
    times = best_of(candidates, rounds)
    gigaflops = 2 * PRODUCT**3 / times.pop("matrix product").wall / 1e9
    reference = times.pop("sewar + numpy", Best(float("nan"), float("nan")))
    print(f"four paper metrics, {SIDE}×{SIDE} px   ms per triple × sewar + numpy   × one core")
    print(f"{'sewar + numpy':<32}{reference.wall * 1e3:10.2f}{1:16.0f}{1:15.0f}")
    for name, best in times.items():
        wall, processor = best.wall / count, best.processor / count
        print(
            f"{name:<32}{wall * 1e3:10.2f}{reference.wall / wall:16.0f}"
            f"{reference.processor / processor:15.0f}"
        )
    bound = operations() / (gigaflops * 1e9)
    share = bound / (times[f"compiled, {THREADS} threads"].wall / count)
    print(
        f"\narithmetic bound: {operations() / 1e6:.0f} MFLOP at {gigaflops:.0f} GFLOP/s "
        f"(float64 matrix product, all cores) = {bound * 1e3:.2f} ms; reached {share:.0%} of it\n"
    )


def matrix_product() -> np.ndarray:
    """Multiply two matrices, the fastest arithmetic this machine offers to numpy."""
    matrix = np.ones((PRODUCT, PRODUCT))
    return matrix @ matrix


def operations() -> int:
    """Count the additions and multiplications of the VIF with folded separable windows."""
    total, side = 0, SIDE
    for scale, size in enumerate(WINDOWS):
        taps = size // 2 * 3 + 1
        if scale:
            half = (side - size) // 2 + 1
            total += 3 * taps * (half * side + half * half)
            side = half
        windows = side - size + 1
        total += 8 * taps * (side * windows + windows * windows) + 40 * windows * windows
    return total


def compare_method_counts(triple: tuple[np.ndarray, ...], rounds: int) -> None:
    """Print what ten methods on the same pairs cost, relative to one."""
    fused, infrared, visible = triple
    many = {str(index): fused for index in range(METHODS)}
    times = best_of(
        {
            "one": lambda: score(*triple, threads=THREADS),
            "many": lambda: score_methods(many, infrared, visible, threads=THREADS),
        },
        rounds,
    )
    print(f"{METHODS} methods on one pair set, over one: {ratio(times['many'], times['one'])}\n")


def compare_with_decoding(count: int, rounds: int) -> None:
    """Print what scoring PNG files costs, relative to decoding them."""
    for layout, roles in (("infrared and fused grey", ("visible",)), ("all RGB", ROLES)):
        with tempfile.TemporaryDirectory() as folder:
            names = write_triples(Path(folder), count, roles)
            times = best_of(
                {
                    "decode": functools.partial(decode, names),
                    "score": functools.partial(
                        score_files, names, ["fused"], PAPER, threads=THREADS
                    ),
                },
                rounds,
            )
        print(
            f"{count} PNG triples, {layout}, {THREADS} threads: decoding "
            f"{times['decode'].wall / count * 1e3:.2f} ms, "
            f"scoring {times['score'].wall / count * 1e3:.2f} ms "
            f"per triple, ratio {ratio(times['score'], times['decode'])}"
        )


def write_triples(
    folder: Path, count: int, colour: tuple[str, ...]
) -> Mapping[str, Mapping[str, Path]]:
    """Write `count` triples of PNG files, RGB for the roles in `colour`; give them by name."""
    from PIL import Image

    folders = {role: folder / role for role in ROLES}
    for role, images in zip(ROLES, scenes(min(count, 50)), strict=True):
        folders[role].mkdir()
        for index in range(count):
            image = Image.fromarray(images[index % len(images)])
            image = image.convert("RGB") if role in colour else image
            image.save(folders[role] / f"{index:04}.png")
    return pair_files(folders)


def decode(names: Mapping[str, Mapping[str, Path]]) -> None:
    """Read all files by the rules of scoring, with its threads."""
    with ThreadPoolExecutor(THREADS) as pool:
        for _ in pool.map(read_aligned, names.values()):
            pass


if __name__ == "__main__":
    main()
