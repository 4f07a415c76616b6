"""Several metrics of one batch, or of many methods on the same pairs, in one call."""

import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, TypedDict, Unpack

import numpy as np
from numpy.typing import ArrayLike

from metrics.dialects import lookup
from metrics.errors import MetricError
from metrics.metric import Metric
from metrics.registry import PAPER
from metrics.resize import bilinear
from metrics.shared.arrays import (
    Batch,
    Checked,
    Values,
    as_batch,
    as_triple,
    finite_images,
    require_size,
)

if TYPE_CHECKING:
    from metrics.fast.engine import CompiledPair

# Height, width, and whether several fused images are measured against one pair.
PairKey = tuple[int, int, bool]
FastPath = Callable[["CompiledPair"], float]
Triple = tuple[Batch, Batch, Batch]
Table = dict[str, dict[str, Values]]

# Pool of idle pairs: allocating one is expensive, and consecutive calls usually have one size.
_idle: "deque[tuple[PairKey, CompiledPair]]" = deque(maxlen=os.cpu_count())

# Set to "0" to measure by the definitions even if the compiled path is available.
COMPILED_SWITCH = "FUSION_METRICS_COMPILED"


class Options(TypedDict, total=False):
    """How to measure; `score_methods` explains each."""

    dialect: str | None
    resize: int | None
    compiled: bool | None


def score(
    fused: ArrayLike,
    infrared: ArrayLike,
    visible: ArrayLike,
    names: Sequence[str] = PAPER,
    threads: int = 1,
    **options: Unpack[Options],
) -> dict[str, Values]:
    """Measure one batch.

    Args:
        fused: (B, H, W) on the 0-255 scale.
        infrared: (B, H, W) likewise.
        visible: (B, H, W) likewise.
        names: metrics of `METRICS` or `VARIANTS`.
        threads: how many threads share the images; never changes a value.
        options: `dialect`, `resize` and `compiled`, as `score_methods` takes them.

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
    names: Sequence[str] = PAPER,
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
        infrared: (B, H, W) likewise.
        visible: (B, H, W) likewise.
        names: metrics of `METRICS` or `VARIANTS`.
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
    if threads < 1:
        raise MetricError(f"threads must be 1 or more, got {threads}")
    if isinstance(names, str):
        raise MetricError(f"names must be a list, such as [{names!r}], got the string {names!r}")
    entries = lookup(names, dialect)
    triples = _triples(fused, infrared, visible, resize)
    table: Table = {
        method: {entry.name: np.full(len(triple[0]), np.nan) for entry in entries}
        for method, triple in triples.items()
    }
    if not triples:
        return table
    shape = next(iter(triples.values()))[0].shape
    for entry in entries:
        require_size(shape, entry.minimum, entry.name)
    fast, plain = _choose_paths(entries, compiled)
    if fast:
        _run(_compiled_task(triples, fast, table), shape[0], threads)
    if plain:
        _run(_plain_task(triples, plain, table), shape[0], threads)
    return table


def _choose_paths(
    entries: Sequence[Metric], compiled: bool | None
) -> tuple[dict[str, FastPath], list[Metric]]:
    """Decide per metric between its compiled path and its definition, for all of the package."""
    fast = {entry.name: entry.fast for entry in entries if entry.fast is not None}
    if not fast or not uses_compiler(compiled):
        fast = {}
    return fast, [entry for entry in entries if entry.name not in fast]


def _triples(
    fused: Mapping[str, ArrayLike], infrared: ArrayLike, visible: ArrayLike, resize: int | None
) -> dict[str, Triple]:
    sources = as_batch(infrared, "infrared"), as_batch(visible, "visible")
    triples = {method: as_triple(images, *sources) for method, images in fused.items()}
    if resize is None:
        return triples
    side = (resize, resize)
    resized = bilinear(sources[0], side), bilinear(sources[1], side)
    return {method: (bilinear(triple[0], side), *resized) for method, triple in triples.items()}


def uses_compiler(wanted: bool | None) -> bool:
    """Decide for or against the compiled path; None asks the environment.

    Raises:
        MetricError: it is wanted, and numba is not installed.
    """
    if wanted is False or (wanted is None and os.environ.get(COMPILED_SWITCH) == "0"):
        return False
    installed = find_spec("numba") is not None
    if wanted and not installed:
        raise MetricError("the compiled path needs numba: install it, or leave out compiled=True")
    return installed


@contextmanager
def _compiled_pair(*key: *PairKey) -> "Iterator[CompiledPair]":
    # Numba takes most of a second to import: only now is it certain to be needed.
    from metrics.fast.engine import CompiledPair

    try:
        found, pair = _idle.pop()
    except IndexError:
        found = None
    if found != key:
        pair = CompiledPair(*key)
    yield pair
    _idle.append((key, pair))


def _compiled_task(
    triples: Mapping[str, Triple], paths: Mapping[str, FastPath], table: Table
) -> Callable[[int], None]:
    _, height, width = next(iter(triples.values()))[0].shape

    def measure(index: int) -> None:
        with _compiled_pair(height, width, len(triples) > 1) as pair:
            loaded = False
            for method, triple in triples.items():
                images = [batch[index] for batch in triple]
                if not finite_images(*(image[None] for image in images)).all():
                    continue
                if not loaded:
                    pair.load(images[1], images[2])
                    loaded = True
                pair.take(images[0])
                for name, path in paths.items():
                    table[method][name][index] = path(pair)

    return measure


def _plain_task(
    triples: Mapping[str, Triple], entries: Sequence[Metric], table: Table
) -> Callable[[int], None]:
    checked = {
        method: [batch.view(Checked) for batch in triple] for method, triple in triples.items()
    }

    def measure(index: int) -> None:
        image = slice(index, index + 1)
        for method, (f, a, b) in checked.items():
            for entry in entries:
                table[method][entry.name][image] = entry.measure(f[image], a[image], b[image])

    return measure


def _run(task: Callable[[int], None], count: int, threads: int) -> None:
    if threads == 1 or count < 2:
        for index in range(count):
            task(index)
        return
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(task, range(count)):
            pass
