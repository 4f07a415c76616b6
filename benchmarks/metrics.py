"""Time the metrics beside public references in one run, and print ratios.

Run from the repository's root: `python benchmarks/metrics.py [--pairs 4] [--files 300]`. Every
metric that has a compiled path is timed alone, then the paper's four and sixteen of them together.
The definitions and public libraries (sewar, scikit-image, torchmetrics, piq, pyiqa, as far as they
are installed) stand beside ours as ratios. Every figure is the best of several rounds, in which the
candidates take turns. One thread is timed in processor seconds, which are meaningful on a busy
machine too; set OMP_NUM_THREADS=1 so that libraries use one core as well.
"""

import argparse
import functools
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from metrics import METRICS, score, score_methods
from metrics.files import score_files
from metrics.images import pair_files, read_aligned
from metrics.registry import PAPER
from metrics.shared.moments import WINDOWS

HEIGHT, WIDTH = 480, 640
THREADS = 2
SIXTEEN = [name for name in METRICS if METRICS[name].place <= METRICS["viff"].place]
# Operations per pixel or window, as `docs/metrics.md` derives them.
EDGES, SUMS, REGRESSIONS = 247, 41, 74
METHODS = 10
PRODUCT = 1500
ROLES = ("fused", "infrared", "visible")


def main() -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=4, help="pairs in memory")
    parser.add_argument("--files", type=int, default=300, help="PNG triples on disk")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    load = os.getloadavg()[0]
    print(
        f"load average {load:.1f} on {os.cpu_count()} cores"
        + ("; too busy\n" if load > 1 else "\n")
    )
    triple = scenes(options.pairs)
    score(*triple, SIXTEEN)
    compare_implementations(triple, options.rounds)
    compare_method_counts(triple, options.rounds)
    compare_with_decoding(options.files, options.rounds)


def scenes(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw triples (count, 480, 640) with the spectrum of photographs."""
    rng = np.random.default_rng(0)
    shape = count, HEIGHT, WIDTH
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


def public_code() -> dict[str, Callable[[np.ndarray, np.ndarray], object]]:
    """Return what installed libraries have of the metrics, for fused image and one source."""
    found: dict[str, Callable[[np.ndarray, np.ndarray], object]] = {}
    if find_spec("sewar"):
        from sewar import full_ref

        found["vif: sewar"] = lambda f, s: full_ref.vifp(s, f)
        found["ssim: sewar"] = lambda f, s: full_ref.ssim(s, f, ws=11)
        found["ms_ssim: sewar"] = lambda f, s: full_ref.msssim(s, f)
        found["mse: sewar"] = lambda f, s: full_ref.mse(s, f)
        found["psnr: sewar"] = lambda f, s: full_ref.psnr(s, f)
    if find_spec("skimage"):
        from skimage import measure, metrics

        options = {"gaussian_weights": True, "use_sample_covariance": False, "data_range": 255}
        found["ssim: scikit-image"] = lambda f, s: metrics.structural_similarity(f, s, **options)
        found["nmi: scikit-image"] = metrics.normalized_mutual_information
        found["mse: scikit-image"] = metrics.mean_squared_error
        found["psnr: scikit-image"] = lambda f, s: metrics.peak_signal_noise_ratio(s, f)
        found["en: scikit-image"] = lambda f, s: measure.shannon_entropy(f)
    if find_spec("torch"):
        found |= public_torch_code()
    return found


def public_torch_code() -> dict[str, Callable[[np.ndarray, np.ndarray], object]]:
    """Return what libraries on torch have, on the processor and in float64."""
    import torch

    found: dict[str, Callable[[np.ndarray, np.ndarray], object]] = {}

    def tensors(*images: np.ndarray) -> list[torch.Tensor]:
        return [torch.from_numpy(image.astype(np.float64))[None, None] for image in images]

    if find_spec("torchmetrics"):
        from torchmetrics import functional as library

        image = library.image
        found["vif: torchmetrics"] = lambda f, s: image.visual_information_fidelity(*tensors(f, s))
        found["ssim: torchmetrics"] = lambda f, s: image.structural_similarity_index_measure(
            *tensors(f, s), data_range=255.0
        )
    if find_spec("piq"):
        import piq

        found["vif: piq"] = lambda f, s: piq.vif_p(*tensors(f, s), data_range=255)
        found["ssim: piq"] = lambda f, s: piq.ssim(*tensors(f, s), data_range=255)
        found["ms_ssim: piq"] = lambda f, s: piq.multi_scale_ssim(*tensors(f, s), data_range=255)
    if find_spec("pyiqa"):
        from pyiqa.archs.ssim_arch import SSIM

        compare = SSIM(channels=1)
        found["ssim: pyiqa"] = lambda f, s: compare(*(x / 255 for x in tensors(f, s)))
    return found


def compare_implementations(triple: tuple[np.ndarray, ...], rounds: int) -> None:
    """Print each metric alone and all together: our milliseconds, the others as ratios to them."""
    count = len(triple[0])
    fused, infrared, visible = (batch[0] for batch in triple)
    public = public_code()
    print(f"{HEIGHT}×{WIDTH} px        ms, 1 thread   {THREADS} threads   definition   public code")
    for names in (*([name] for name in METRICS if METRICS[name].fast), PAPER, SIXTEEN):
        label = names[0] if len(names) == 1 else f"{len(names)} together"
        candidates: dict[str, Callable[[], object]] = {
            "one": functools.partial(score, *triple, names),
            "two": functools.partial(score, *triple, names, THREADS),
            "plain": functools.partial(score, *triple, names, compiled=False),
        }
        for name, compare in public.items():
            if names == [name.split(":")[0]]:
                candidates[name] = functools.partial(both, compare, fused, infrared, visible)
        times = best_of(candidates, rounds)
        one = times.pop("one").processor / count
        ratios = [times.pop(name).wall / count / one for name in ("two", "plain")]
        others = "  ".join(
            f"{n.split()[1]} {best.processor / one:.1f}×" for n, best in times.items()
        )
        print(f"{label:<18}{one * 1e3:12.2f}{ratios[0]:11.2f}×{ratios[1]:12.1f}×   {others}")
    matrix = best_of({"product": matrix_product}, rounds)["product"]
    gigaflops = 2 * PRODUCT**3 / matrix.processor / 1e9
    bound = operations() / (gigaflops * 1e9)
    print(
        f"\narithmetic bound of the sixteen: {operations() / 1e6:.0f} MFLOP at "
        f"{gigaflops:.0f} GFLOP/s (float64 matrix product, one core) = {bound * 1e3:.1f} ms; "
        f"reached {bound / one:.0%} of it\n"
    )


def both(
    compare: Callable[[np.ndarray, np.ndarray], object],
    fused: np.ndarray,
    infrared: np.ndarray,
    visible: np.ndarray,
) -> None:
    """Compare a fused image with both sources."""
    compare(fused, infrared)
    compare(fused, visible)


def matrix_product() -> np.ndarray:
    """Multiply two matrices, the fastest arithmetic this machine offers to numpy."""
    matrix = np.ones((PRODUCT, PRODUCT))
    return matrix @ matrix


def operations() -> int:
    """Count the additions and multiplications of the sixteen; `docs/metrics.md` derives them."""
    pixels = HEIGHT * WIDTH
    return window_operations() + similarity_operations() + pixels * (2 * EDGES + SUMS)


def window_operations() -> int:
    """Count those of VIF and VIFF, with folded separable windows."""
    total, height, width = 0, HEIGHT, WIDTH
    for scale, size in enumerate(WINDOWS):
        taps = size // 2 * 3 + 1
        if scale:
            rows, columns = (height - size) // 2 + 1, (width - size) // 2 + 1
            total += 3 * taps * (rows * width + rows * columns)
            height, width = rows, columns
        rows, columns = height - size + 1, width - size + 1
        total += 8 * taps * (rows * width + rows * columns) + REGRESSIONS * rows * columns
    return total


def similarity_operations() -> int:
    """Count those of SSIM and MS-SSIM, which share the first scale."""
    total, height, width = 0, HEIGHT, WIDTH
    for _ in range(5):
        rows, columns = height - 10, width - 10
        total += 5 * height * width + 8 * 16 * (rows * width + rows * columns)
        total += 2 * 16 * rows * columns
        height, width = height // 2, width // 2
    return total


def compare_method_counts(triple: tuple[np.ndarray, ...], rounds: int) -> None:
    """Print what ten methods on the same pairs cost, relative to one."""
    fused, infrared, visible = triple
    many = {str(index): fused for index in range(METHODS)}
    times = best_of(
        {
            "one": lambda: score(*triple, SIXTEEN),
            "many": lambda: score_methods(many, infrared, visible, SIXTEEN),
        },
        rounds,
    )
    over = ratio(times["many"], times["one"])
    print(f"{METHODS} methods on one pair set, sixteen metrics, over one: {over}\n")


def compare_with_decoding(count: int, rounds: int) -> None:
    """Print what scoring PNG files costs, relative to decoding them."""
    for layout, roles in (("infrared and fused grey", ("visible",)), ("all RGB", ROLES)):
        with tempfile.TemporaryDirectory() as folder:
            names = write_triples(Path(folder), count, roles)
            times = best_of(
                {
                    "decode": functools.partial(decode, names),
                    "score": functools.partial(
                        score_files, names, ["fused"], SIXTEEN, threads=THREADS
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
