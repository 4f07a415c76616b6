"""Images of one or three bands, measured as a dialect reads colours."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from .dialects import DIALECTS, lookup
from .resize import bilinear
from .scoring import Table, score_methods
from .shared.arrays import Batch, as_batch

SIDE_BY_SIDE = frozenset({"sf"})
"""What our own definitions measure on bands side by side: the rule of VIFB."""


def score_bands(
    fused: Mapping[str, ArrayLike],
    infrared: ArrayLike,
    visible: ArrayLike,
    names: Sequence[str] | None = None,
    *,
    dialect: str | None = None,
    resize: int | None = None,
) -> Table:
    """Measure one image per method band by band, and average over the bands.

    A single band counts for each band of the others. What a dialect measures on bands side by side,
    it measures on one image (H, bands·W) of the fused bands.

    Args:
        fused: per method its bands, (1, H, W) or (3, H, W) on the 0-255 scale.
        infrared: (1, H, W) or (3, H, W) likewise.
        visible: likewise.
        names: as in `metrics.score`.
        dialect: as in `metrics.score`.
        resize: as in `metrics.score`.

    Returns:
        Per method one array (1,) per name.

    Raises:
        MetricError: as `metrics.score_methods`.
    """
    beside = DIALECTS[dialect].side_by_side if dialect else SIDE_BY_SIDE
    entries = [entry.name for entry in lookup(names, dialect)]
    sources = _resized(infrared, "infrared", resize), _resized(visible, "visible", resize)
    images = {method: _resized(bands, method, resize) for method, bands in fused.items()}
    count = max(len(bands) for bands in (*images.values(), *sources))
    table = score_methods(
        {method: _repeated(bands, count) for method, bands in images.items()},
        _repeated(sources[0], count),
        _repeated(sources[1], count),
        [name for name in entries if name not in beside],
        dialect=dialect,
    )
    result: Table = {}
    for method, bands in images.items():
        sheet = np.concatenate(list(bands), axis=1)[None]
        whole = [name for name in entries if name in beside]
        values = score_methods({method: sheet}, sheet, sheet, whole, dialect=dialect)[method]
        values |= {name: column.mean(keepdims=True) for name, column in table[method].items()}
        result[method] = {name: values[name] for name in entries}
    return result


def _resized(bands: ArrayLike, role: str, side: int | None) -> Batch:
    batch = as_batch(bands, role)
    return batch if side is None else bilinear(batch, (side, side))


def _repeated(bands: Batch, count: int) -> Batch:
    return bands if len(bands) == count else np.repeat(bands, count, axis=0)
