"""Several metrics of one batch, or of many methods on the same pairs, in one call."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import ArrayLike

from metrics.arrays import Values, as_triple
from metrics.errors import MetricError
from metrics.registry import PAPER, find


def score(
    fused: ArrayLike,
    infrared: ArrayLike,
    visible: ArrayLike,
    names: Sequence[str] = PAPER,
    threads: int = 1,
) -> dict[str, Values]:
    """Measure one batch; arguments and errors as in `score_methods`.

    Returns:
        One (B,) float64 array a name, in the order of `names`.
    """
    return score_methods({"fused": fused}, infrared, visible, names, threads)["fused"]


def score_methods(
    fused: Mapping[str, ArrayLike],
    infrared: ArrayLike,
    visible: ArrayLike,
    names: Sequence[str] = PAPER,
    threads: int = 1,
) -> dict[str, dict[str, Values]]:
    """Measure the outputs of several methods on the same pairs.

    Args:
        fused: for each method its images, (B, H, W) on the 0-255 scale.
        infrared: (B, H, W) likewise.
        visible: (B, H, W) likewise.
        names: metrics of `METRICS` or `VARIANTS`.
        threads: how many threads share the images; never changes a value.

    Returns:
        For each method one (B,) float64 array a name, NaN where the metric is undefined.

    Raises:
        MetricError: an unknown name, or arrays the metrics refuse.
    """
    functions = {name: find(name).function for name in names}
    triples = {method: as_triple(images, infrared, visible) for method, images in fused.items()}
    count = len(np.asarray(infrared))
    table = {method: {name: np.empty(count) for name in functions} for method in triples}

    def measure(index: int) -> None:
        image = slice(index, index + 1)
        for method, (f, a, b) in triples.items():
            for name, function in functions.items():
                table[method][name][image] = function(f[image], a[image], b[image])

    run(measure, count, threads)
    return table


def run(task: Callable[[int], None], count: int, threads: int) -> None:
    """Call task(0) to task(count − 1) on a pool of threads, the first error ending it.

    Raises:
        MetricError: fewer than one thread.
    """
    if threads < 1:
        raise MetricError(f"threads must be 1 or more, got {threads}")
    if threads == 1:
        for index in range(count):
            task(index)
        return
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(task, range(count)):
            pass
