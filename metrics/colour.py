"""The colour rule: whether images are measured by their luma, or channel by channel."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from .dialects import DIALECTS, lookup
from .images import Bytes
from .scoring import Table, score_methods

Colour = Literal["luma", "per_channel"]
RULES: tuple[Colour, ...] = ("luma", "per_channel")


def colour_rule(dialect: str | None) -> Colour:
    """Return the rule that a dialect implies: that of its evaluator, or the luma."""
    return "luma" if dialect is None else DIALECTS[dialect].colour


def score_channels(
    fused: Mapping[str, Bytes],
    infrared: Bytes,
    visible: Bytes,
    names: Sequence[str],
    threads: int = 1,
    *,
    dialect: str | None = None,
) -> Table:
    """Measure every channel by itself and return the means, as VIFB does.

    A metric whose entry says `side_by_side` sees the three channels as one wide image instead.

    Args:
        fused: per method its images, (B, 3, H, W) on the 0-255 scale.
        infrared: (B, 3, H, W) likewise.
        visible: (B, 3, H, W) likewise.
        names: metrics of `METRICS`, `VARIANTS` or the dialect.
        threads: how many threads share the images; never changes a value.
        dialect: public evaluator to reproduce.

    Returns:
        For each method one (B,) float64 array per name, NaN where a channel has no value.

    Raises:
        MetricError: as `score_methods`.
    """
    entries = lookup(names, dialect)
    joined = [entry.name for entry in entries if entry.side_by_side]
    single = [entry.name for entry in entries if not entry.side_by_side]
    found: Table = {method: {} for method in fused}
    if joined:
        wide = {method: _side_by_side(images) for method, images in fused.items()}
        sources = _side_by_side(infrared), _side_by_side(visible)
        found = score_methods(wide, *sources, joined, threads, dialect=dialect)
    if single:
        channels = [
            score_methods(
                {method: images[:, k] for method, images in fused.items()},
                *(infrared[:, k], visible[:, k], single, threads),
                dialect=dialect,
            )
            for k in range(3)
        ]
        for method in fused:
            for name in single:
                found[method][name] = np.mean([table[method][name] for table in channels], axis=0)
    return {method: {e.name: found[method][e.name] for e in entries} for method in fused}


def _side_by_side(images: Bytes) -> Bytes:
    # Joining forgets that the images are checked already.
    return np.concatenate(list(np.moveaxis(images, 1, 0)), axis=-1).view(type(images))
