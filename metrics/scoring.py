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

from metrics.arrays import (
    Batch,
    Checked,
    MetricFunction,
    Values,
    as_batch,
    as_triple,
    finite_images,
    require_size,
)
from metrics.dialects import functions
from metrics.errors import MetricError
from metrics.moments import MIN_SIZE
from metrics.registry import PAPER
from metrics.resize import bilinear

if TYPE_CHECKING:
    from metrics.engine import PairScorer

# Height, width, metrics, and whether several fused images meet one pair.
ScorerKey = tuple[int, int, tuple[str, ...], bool]
Triple = tuple[Batch, Batch, Batch]
Table = dict[str, dict[str, Values]]

# The compiled path, by metric: the smallest image side each takes.
COMPILED = {"sf": 2, "ag": 2, "scd": 1, "vif": MIN_SIZE}

# Scorers not at work: their memory is dear to allocate, and calls of one size come in rows.
_idle: "deque[tuple[ScorerKey, PairScorer]]" = deque(maxlen=os.cpu_count())

# Set to "0" to measure by the definitions even where the compiled path could.
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
        One (B,) float64 array a name, in the order of `names`, NaN where the metric is undefined.

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
    """Measure the outputs of several methods on the same pairs, the sources' share only once.

    Args:
        fused: for each method its images, (B, H, W) on the 0-255 scale.
        infrared: (B, H, W) likewise.
        visible: (B, H, W) likewise.
        names: metrics of `METRICS` or `VARIANTS`.
        threads: how many threads share the images; never changes a value.
        dialect: reproduce a public implementation of `DIALECTS` rather than the definitions.
        resize: measure after a bilinear resize of all images to this many pixels a side, unrounded.
        compiled: take the compiled path for the metrics that have one; None means if numba is
            installed and the environment does not forbid it.

    Returns:
        For each method one (B,) float64 array a name, NaN where the metric is undefined.

    Raises:
        MetricError: an unknown name or dialect, or arrays the metrics refuse.
    """
    if threads < 1:
        raise MetricError(f"threads must be 1 or more, got {threads}")
    if isinstance(names, str):
        raise MetricError(f"names must be a list, such as [{names!r}], got the string {names!r}")
    measures = functions(names, dialect)
    triples = _triples(fused, infrared, visible, resize)
    table: Table = {
        method: {name: np.full(len(triple[0]), np.nan) for name in measures}
        for method, triple in triples.items()
    }
    if not triples:
        return table
    shape = next(iter(triples.values()))[0].shape
    fast = () if dialect else tuple(name for name in measures if name in COMPILED)
    if fast and uses_compiler(compiled):
        for name in fast:
            require_size(shape, COMPILED[name], name)
            del measures[name]
        _run(_compiled_task(triples, fast, table), shape[0], threads)
    if measures:
        _run(_plain_task(triples, measures, table), shape[0], threads)
    return table


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
def _scorer(*key: *ScorerKey) -> "Iterator[PairScorer]":
    # Numba takes most of a second to import: only now is it certain to be needed.
    from metrics.engine import PairScorer

    try:
        found, scorer = _idle.pop()
    except IndexError:
        found = None
    if found != key:
        scorer = PairScorer(*key)
    yield scorer
    _idle.append((key, scorer))


def _compiled_task(
    triples: Mapping[str, Triple], names: tuple[str, ...], table: Table
) -> Callable[[int], None]:
    _, height, width = next(iter(triples.values()))[0].shape

    def measure(index: int) -> None:
        with _scorer(height, width, names, len(triples) > 1) as scorer:
            loaded = False
            for method, triple in triples.items():
                images = [batch[index] for batch in triple]
                if not finite_images(*(image[None] for image in images)).all():
                    continue
                if not loaded:
                    scorer.load(images[1], images[2])
                    loaded = True
                for name, value in scorer.measure(images[0]).items():
                    if name in names:
                        table[method][name][index] = value

    return measure


def _plain_task(
    triples: Mapping[str, Triple], measures: Mapping[str, MetricFunction], table: Table
) -> Callable[[int], None]:
    checked = {
        method: [batch.view(Checked) for batch in triple] for method, triple in triples.items()
    }

    def measure(index: int) -> None:
        image = slice(index, index + 1)
        for method, (f, a, b) in checked.items():
            for name, function in measures.items():
                table[method][name][image] = function(f[image], a[image], b[image])

    return measure


def _run(task: Callable[[int], None], count: int, threads: int) -> None:
    if threads == 1 or count < 2:
        for index in range(count):
            task(index)
        return
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(task, range(count)):
            pass
