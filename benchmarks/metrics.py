"""Time the metrics beside public references in one run, and print ratios.

Run from the repository's root: `python -m benchmarks.metrics [--pairs 4] [--files 300]`. Every
metric that has a compiled path is timed alone, then the paper's four and sixteen of them together.
The definitions and public libraries (sewar, scikit-image, torchmetrics, piq, pyiqa, as far as they
are installed) stand beside ours as ratios. Every figure is the best of several rounds, in which the
candidates take turns. All but the two threads are timed in processor seconds, which are
meaningful on a busy machine too; set OMP_NUM_THREADS=1 so that libraries use one core as well.
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
from typing import Any, NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.child import in_child
from metrics import METRICS, score, score_methods
from metrics.files import score_files
from metrics.images import pair_files, read_aligned
from metrics.registry import PAPER
from metrics.shared.moments import WINDOWS

HEIGHT, WIDTH = 480, 640
LARGE = 4320, 7680
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
    parser.add_argument("--memory", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory:
        print(memory_per_pixel())
        return
    load = os.getloadavg()[0]
    print(
        f"load average {load:.1f} on {os.cpu_count()} cores"
        + ("; too busy\n" if load > 1 else "\n")
    )
    triple = scenes(options.pairs)
    score(*triple, SIXTEEN)
    compare_implementations(triple, options.rounds)
    compare_method_counts(triple, options.rounds)
    print_memory()
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


Comparison = Callable[[np.ndarray, np.ndarray], object]


def public_code() -> dict[str, Comparison]:
    """Return what installed libraries have of the metrics, for fused image and one source.

    A library that is installed and cannot be imported is named and left out.
    """
    found: dict[str, Comparison] = {}
    libraries = {
        "sewar": with_sewar,
        "skimage": with_scikit_image,
        "torchmetrics": with_torchmetrics,
        "piq": with_piq,
        "pyiqa": with_pyiqa,
    }
    for module, comparisons in libraries.items():
        if find_spec(module) is None:
            print(f"{module} is not installed and therefore not compared")
            continue
        try:
            found |= comparisons()
        except (ImportError, RuntimeError) as error:
            # RuntimeError: torchvision, which some of them import, does not fit this torch.
            print(f"{module} cannot be imported and is not compared: {error}")
    return found


def with_sewar() -> dict[str, Comparison]:
    """Return what sewar has."""
    from sewar import full_ref

    return {
        "vif: sewar": lambda f, s: full_ref.vifp(s, f),
        "ssim: sewar": lambda f, s: full_ref.ssim(s, f, ws=11),
        "ms_ssim: sewar": lambda f, s: full_ref.msssim(s, f),
        "mse: sewar": lambda f, s: full_ref.mse(s, f),
        "rmse: sewar": lambda f, s: full_ref.rmse(s, f),
        "psnr: sewar": lambda f, s: full_ref.psnr(s, f),
    }


def with_scikit_image() -> dict[str, Comparison]:
    """Return what scikit-image has."""
    from skimage import measure, metrics

    options = {"gaussian_weights": True, "use_sample_covariance": False, "data_range": 255}
    return {
        "ssim: scikit-image": lambda f, s: metrics.structural_similarity(f, s, **options),
        "nmi: scikit-image": metrics.normalized_mutual_information,
        "mse: scikit-image": metrics.mean_squared_error,
        "psnr: scikit-image": lambda f, s: metrics.peak_signal_noise_ratio(s, f),
        "en: scikit-image": lambda f, s: measure.shannon_entropy(f),
    }


def tensors(*images: np.ndarray) -> list[Any]:
    """Return images as libraries on torch take them, on the processor and in float64."""
    import torch

    return [torch.from_numpy(image.astype(np.float64))[None, None] for image in images]


def with_torchmetrics() -> dict[str, Comparison]:
    """Return what torchmetrics has."""
    from torchmetrics.functional import image

    similarity = image.structural_similarity_index_measure
    scales = image.multiscale_structural_similarity_index_measure
    return {
        "vif: torchmetrics": lambda f, s: image.visual_information_fidelity(*tensors(f, s)),
        "ssim: torchmetrics": lambda f, s: similarity(*tensors(f, s), data_range=255.0),
        "ms_ssim: torchmetrics": lambda f, s: scales(*tensors(f, s), data_range=255.0),
        "psnr: torchmetrics": lambda f, s: image.peak_signal_noise_ratio(
            *tensors(f, s), data_range=255.0
        ),
    }


def with_piq() -> dict[str, Comparison]:
    """Return what piq has."""
    import piq

    return {
        "vif: piq": lambda f, s: piq.vif_p(*tensors(f, s), data_range=255),
        "ssim: piq": lambda f, s: piq.ssim(*tensors(f, s), data_range=255),
        "ms_ssim: piq": lambda f, s: piq.multi_scale_ssim(*tensors(f, s), data_range=255),
        "psnr: piq": lambda f, s: piq.psnr(*tensors(f, s), data_range=255),
    }


def with_pyiqa() -> dict[str, Comparison]:
    """Return what pyiqa has; its VIF, of a steerable pyramid, is another metric than ours."""
    from pyiqa.archs.psnr_arch import PSNR
    from pyiqa.archs.ssim_arch import MS_SSIM, SSIM

    grey = {"channels": 1, "test_y_channel": False}
    modules = {"ssim": SSIM(**grey), "ms_ssim": MS_SSIM(**grey), "psnr": PSNR()}

    def compare(module: Comparison, fused: np.ndarray, source: np.ndarray) -> object:
        return module(*(image / 255 for image in tensors(fused, source)))

    return {
        f"{name}: pyiqa": functools.partial(compare, module) for name, module in modules.items()
    }


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
        ours, two, plain = (times.pop(name) for name in ("one", "two", "plain"))
        one = ours.processor / count
        ratios = two.wall / ours.wall, plain.processor / ours.processor
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


def print_memory() -> None:
    """Print the peak memory of the sixteen metrics of one large triple, per pixel."""
    extra = in_child("benchmarks.metrics", "--memory", threads=1)
    height, width = LARGE
    print(f"memory beyond one {width}×{height} triple: {extra:.0f} bytes per pixel\n")


def memory_per_pixel() -> float:
    """Return the bytes per pixel that measuring a large triple adds to the images."""
    pattern = np.tile(scenes(1), (1, 1, LARGE[0] // HEIGHT, LARGE[1] // WIDTH))
    score(*(batch[:, :HEIGHT, :WIDTH] for batch in pattern), SIXTEEN)
    # The peak so far may exceed what is held now, and would hide a part of what follows.
    held = resident("VmRSS")
    score(*pattern, SIXTEEN)
    return (resident("VmHWM") - held) / pattern[0].size


def resident(kind: str) -> int:
    """Return the memory of this process, in bytes: VmRSS now, VmHWM at most.

    The peak that `getrusage` gives includes that of the process which started this one.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line.split()[1] for line in lines if line.startswith(kind)))


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
