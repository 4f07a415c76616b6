"""The compiled path: one pair of sources at a time, any number of fused images."""

import math

import numpy as np

from metrics import kernels, sums
from metrics.arrays import Batch
from metrics.filters import gaussian
from metrics.moments import WINDOWS
from metrics.scd import correlation, difference_correlations
from metrics.scratch import BLOCK, PLANES, SIDE, Window, aligned, allocate


class PairScorer:
    """Measures fused images (H, W) by sf, ag, scd and vif against one pair of sources at a time.

    What depends on the sources alone is computed once a pair. Memory is kept from pair to pair, so
    that an instance serves one thread. The values are those of the metric functions, to rounding.
    Images hold finite values in [0, 255] and are large enough for the metrics asked for.
    """

    def __init__(self, height: int, width: int, names: tuple[str, ...], reuse: bool) -> None:
        """Allocate.

        Args:
            height: rows of all images.
            width: columns of all images.
            names: which of the four metrics to measure.
            reuse: whether more than one fused image will be measured against a pair.
        """
        self._names, self._reuse = names, reuse
        self._held = np.zeros(2)
        self._fresh = self._exact = False
        self._source_sums = (0.0, 0.0, 0.0, 0.0, 0.0)
        if "vif" not in names:
            return
        self._scratch = allocate(width)
        self._windows = tuple(
            Window(gaussian(size, size / 5), (0,) * (size // 2)) for size in WINDOWS
        )
        sizes = [(height, width)]
        for size in WINDOWS[1:]:
            sizes.append(((sizes[-1][0] - size) // 2 + 1, (sizes[-1][1] - size) // 2 + 1))
        self._widths = tuple(columns for _, columns in sizes)
        self._fused_scales, self._infrared_scales, self._visible_scales = (
            tuple(
                aligned(math.ceil(columns / SIDE) + 1, (rows + SIDE) * SIDE)
                for rows, columns in sizes
            )
            for _ in range(3)
        )
        blocks = (
            math.prod(math.ceil((side - window + 1) / SIDE) for side in size)
            for size, window in zip(sizes, WINDOWS, strict=True)
        )
        self._maps = tuple(aligned(count if reuse else 1, PLANES * BLOCK) for count in blocks)

    def load(self, infrared: Batch, visible: Batch) -> None:
        """Take the next pair of sources, each (H, W) uint8 or float64."""
        a, b = self._sources = np.ascontiguousarray(infrared), np.ascontiguousarray(visible)
        self._exact = a.dtype == b.dtype == np.uint8
        self._fresh = True
        if "scd" in self._names and self._exact:
            self._source_sums = sums.source_products(a, b)
        if "vif" in self._names:
            kernels.prepare(a, self._windows, self._scratch.lines, self._infrared_scales)
            kernels.prepare(b, self._windows, self._scratch.lines, self._visible_scales)

    def measure(self, fused: Batch) -> dict[str, float]:
        """Measure one fused image (H, W) uint8 or float64 against the loaded pair."""
        fused = np.ascontiguousarray(fused)
        values = {}
        if "sf" in self._names or "ag" in self._names:
            values.update(_texture(fused))
        if "scd" in self._names:
            exact = self._exact and fused.dtype == np.uint8
            values["scd"] = self._exact_scd(fused) if exact else self._real_scd(fused)
        if "vif" in self._names:
            values["vif"] = self._vif(fused)
        return values

    def _real_scd(self, fused: Batch) -> float:
        images = (np.asarray(image, np.float64) for image in (fused, *self._sources))
        return difference_correlations(*images)

    def _exact_scd(self, fused: Batch) -> float:
        """Correlate from sums of whole numbers, in which a flat difference is exactly 0."""
        f_, ff, fa, fb = map(int, sums.fused_products(fused, *self._sources))
        a_, b_, aa, bb, ab = map(int, self._source_sums)
        n = fused.size
        ff, aa, bb = n * ff - f_ * f_, n * aa - a_ * a_, n * bb - b_ * b_
        fa, fb, ab = n * fa - f_ * a_, n * fb - f_ * b_, n * ab - a_ * b_
        beyond_visible, beyond_infrared = ff + bb - 2 * fb, ff + aa - 2 * fa
        if min(aa, bb, beyond_visible, beyond_infrared) == 0:
            return math.nan
        return correlation(fa - ab, aa, beyond_visible) + correlation(fb - ab, bb, beyond_infrared)

    def _vif(self, fused: Batch) -> float:
        found = kernels.compare(
            fused,
            self._fused_scales,
            self._infrared_scales,
            self._visible_scales,
            self._widths,
            self._windows,
            self._scratch,
            self._maps,
            self._fresh,
        )
        kept, held = np.split(found, 2)
        if self._fresh:
            self._held, self._fresh = held, not self._reuse
        return float((kept / self._held).sum()) if self._held.all() else math.nan


def _texture(fused: Batch) -> dict[str, float]:
    height, width = fused.shape
    across, down, slope = sums.texture(fused)
    frequency = across / (height * (width - 1)) + down / ((height - 1) * width)
    return {"sf": math.sqrt(frequency), "ag": slope / (height * width)}
