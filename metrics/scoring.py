"""Several metrics of one batch, or of many methods on the same pairs, in one call."""

import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import numpy as np
from numpy.typing import ArrayLike

from .dialects import lookup
from .errors import MetricError
from .metric import Metric
from .resize import bilinear
from .shared.arrays import (
    Batch,
    Checked,
    Triple,
    Values,
    as_batch,
    as_triple,
    finite_images,
    require_size,
)

if TYPE_CHECKING:
    from .fast.engine import CompiledPair

FastPath = Callable[["CompiledPair"], float]

Table = dict[str, dict[str, Values]]

MOST_THREADS = 1024
"""Largest number of threads that share images."""

# Set to "0" to measure by the definitions even if the compiled path is available.
COMPILED_SWITCH = "FUSION_METRICS_COMPILED"


class Options(TypedDict, total=False):
    """How to measure: the last arguments of `score_methods`."""

    dialect: str | None
    resize: int | None
    compiled: bool | None


def score(
    fused: ArrayLike,
    infrared: ArrayLike,
    visible: ArrayLike,
    names: Sequence[str] | None = None,
    threads: int = 1,
    **options: Unpack[Options],
) -> dict[str, Values]:
    """Measure one batch (B, H, W) on the 0-255 scale, with the arguments of `score_methods`.

    Returns:
        One (B,) float64 array per name, in the order of `names`, NaN where the metric is undefined.

    Raises:
        MetricError: as `score_methods`.
    """
    return score_methods({"fused": fused}, infrared, visible, names, threads, **options)["fused"]


def score_methods(
    fused: Mapping[str, ArrayLike],
    infrared: ArrayLike,
    visible: ArrayLike,
    names: Sequence[str] | None = None,
    threads: int = 1,
    *,
    dialect: str | None = None,
    resize: int | None = None,
    compiled: bool | None = None,
) -> Table:
    """Measure the outputs of several methods on the same pairs.

    What depends on the sources alone is computed once for all methods.

    Args:
        fused: per method its images, (B, H, W) on the 0-255 scale.
        infrared: (B, H, W), as `visible`.
        visible: likewise.
        names: metrics of `METRICS` or `VARIANTS`; None takes the paper's, or all of the dialect.
        threads: how many threads share the images; never changes a value.
        dialect: reproduce a public implementation of `DIALECTS` rather than the definitions.
        resize: measure after a bilinear resize of all images to this many pixels per side,
            without rounding.
        compiled: take the compiled path for the metrics that have one. None takes it if numba is
            installed and the environment does not forbid it.

    Returns:
        For each method one (B,) float64 array per name, NaN where the metric is undefined.

    Raises:
        MetricError: an unknown name or dialect, or arrays the metrics refuse.
    """
    entries = _entries(names, threads, dialect)
    triples = _triples(fused, infrared, visible, resize)
    if not triples:
        return {}
    shape = count, *_ = next(iter(triples.values()))[0].shape
    for entry in entries:
        require_size(shape, entry.minimum, entry.name)
    table = {method: {entry.name: np.full(count, np.nan) for entry in entries} for method in fused}
    fast, plain = _choose_paths(entries, compiled)

    def measure(index: int) -> None:
        one = slice(index, index + 1)
        images = {method: (f[one], a[one], b[one]) for method, (f, a, b) in triples.items()}
        if fast:
            _measure_compiled(images, fast, table, index)
        for entry in plain:
            for method, triple in images.items():
                table[method][entry.name][index] = entry.measure(*triple)[0]

    _run(measure, count, threads)
    return table


def _entries(names: Sequence[str] | None, threads: int, dialect: str | None) -> list[Metric]:
    check_threads(threads)
    if isinstance(names, str):
        raise MetricError(f"names must be a list, such as [{names!r}], got the string {names!r}")
    return lookup(names, dialect)


def check_threads(threads: int) -> None:
    """Refuse a number of threads that no machine has.

    Raises:
        MetricError: naming the number.
    """
    if not 1 <= threads <= MOST_THREADS:
        raise MetricError(f"threads must be 1 to {MOST_THREADS}, got {threads}")


def _run(task: Callable[[int], None], count: int, threads: int) -> None:
    if threads == 1 or count < 2:
        deque(map(task, range(count)), maxlen=0)
    else:
        with ThreadPoolExecutor(threads) as pool:
            deque(pool.map(task, range(count)), maxlen=0)


def _choose_paths(
    entries: Sequence[Metric], compiled: bool | None
) -> tuple[dict[str, FastPath], list[Metric]]:
    """Decide per metric between its compiled path and its definition, for all of the package."""
    fast = {entry.name: entry.fast for entry in entries if entry.fast is not None}
    if not fast or not uses_compiler(compiled):
        return {}, list(entries)
    return fast, [entry for entry in entries if entry.name not in fast]


def _triples(
    fused: Mapping[str, ArrayLike], infrared: ArrayLike, visible: ArrayLike, resize: int | None
) -> dict[str, Triple]:
    """Check all batches once, and resize them."""
    sources = as_batch(infrared, "infrared"), as_batch(visible, "visible")
    checked = {method: as_triple(images, *sources)[0] for method, images in fused.items()}

    def ready(batch: Batch) -> Batch:
        return (batch if resize is None else bilinear(batch, (resize, resize))).view(Checked)

    infrared, visible = map(ready, sources)
    return {method: (ready(batch), infrared, visible) for method, batch in checked.items()}


def uses_compiler(wanted: bool | None) -> bool:
    """Decide for or against the compiled path; None asks the environment."""
    if wanted is False or (wanted is None and os.environ.get(COMPILED_SWITCH) == "0"):
        return False
    installed = find_spec("numba") is not None
    if wanted and not installed:
        raise MetricError("the compiled path needs numba: install it, or leave out compiled=True")
    return installed


def _measure_compiled(
    images: Mapping[str, Triple], paths: Mapping[str, FastPath], table: Table, index: int
) -> None:
    """Measure one image of each method; fused images of one type are measured together."""
    # Numba takes most of a second to import: only now is it certain to be needed.
    from .fast.engine import CompiledPair

    groups: dict[np.dtype[Any], dict[str, Triple]] = {}
    for method, triple in images.items():
        if finite_images(*triple).all():
            groups.setdefault(triple[0].dtype, {})[method] = triple
    for group in groups.values():
        _, infrared, visible = next(iter(group.values()))
        height, width = infrared.shape[1:]
        fused = [triple[0] for triple in group.values()]
        stack = np.concatenate(fused) if len(fused) > 1 else fused[0]
        pair = CompiledPair(height, width)
        with pair.loaded(infrared[0], visible[0], stack, paths):
            for place, method in enumerate(group):
                pair.take(place)
                for name, path in paths.items():
                    table[method][name][index] = path(pair)
