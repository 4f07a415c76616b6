"""The compiled path: one pair of sources at a time, any number of fused images."""

import math
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..scd import difference_correlations
from ..shared.arrays import Batch
from ..shared.correlation import correlation
from ..shared.filters import gaussian
from ..shared.moments import WINDOWS
from . import kernels, sums
from .scratch import BLOCK, PLANES, SIDE, Window, aligned, allocate


class CompiledPair:
    """The fast paths of sf, ag, scd and vif for one pair of sources at a time.

    `load` takes a pair and `take` a fused image; the methods then measure it. What depends on the
    sources alone is computed once per pair, and what two metrics share once per image. An instance
    keeps its memory for the next pair and therefore serves one thread. Images hold finite values in
    [0, 255] and have the metric's minimum size.
    """

    def __init__(self, height: int, width: int, reuse: bool) -> None:
        """Prepare for one size, and for several fused images per pair if `reuse` is set."""
        self._size, self._reuse = (height, width), reuse

    def load(self, infrared: Batch, visible: Batch) -> None:
        """Take the next pair of sources, each (H, W) uint8 or float64."""
        self._sources = np.ascontiguousarray(infrared), np.ascontiguousarray(visible)
        self._source_sums: tuple[float, ...] | None = None
        self._vif_is_loaded = False

    def take(self, fused: Batch) -> None:
        """Take the next fused image, (H, W) uint8 or float64."""
        self._fused = np.ascontiguousarray(fused)
        self._texture: tuple[float, float, float] | None = None

    def sf(self) -> float:
        """Measure the spatial frequency of the fused image."""
        height, width = self._size
        across, down, _ = self._texture_sums()
        return math.sqrt(across / (height * (width - 1)) + down / ((height - 1) * width))

    def ag(self) -> float:
        """Measure the average gradient of the fused image."""
        height, width = self._size
        return self._texture_sums()[2] / (height * width)

    def scd(self) -> float:
        """Measure the sum of the correlations of differences."""
        images = (self._fused, *self._sources)
        if all(image.dtype == np.uint8 for image in images):
            return self._exact_scd()
        return difference_correlations(*(np.asarray(image, np.float64) for image in images))

    def vif(self) -> float:
        """Measure the visual information fidelity."""
        if not self._vif_is_loaded:
            self._fidelity.load(*self._sources)
            self._vif_is_loaded = True
        return self._fidelity.measure(self._fused)

    @cached_property
    def _fidelity(self) -> "_Fidelity":
        return _Fidelity(*self._size, self._reuse)

    def _texture_sums(self) -> tuple[float, float, float]:
        self._texture = self._texture or sums.texture(self._fused)
        return self._texture

    def _exact_scd(self) -> float:
        """Correlate from sums of whole numbers, in which a flat difference is exactly 0."""
        self._source_sums = self._source_sums or sums.source_products(*self._sources)
        f_, ff, fa, fb = map(int, sums.fused_products(self._fused, *self._sources))
        a_, b_, aa, bb, ab = map(int, self._source_sums)
        n = self._fused.size
        ff, aa, bb = n * ff - f_ * f_, n * aa - a_ * a_, n * bb - b_ * b_
        fa, fb, ab = n * fa - f_ * a_, n * fb - f_ * b_, n * ab - a_ * b_
        beyond_visible, beyond_infrared = ff + bb - 2 * fb, ff + aa - 2 * fa
        if min(aa, bb, beyond_visible, beyond_infrared) == 0:
            return math.nan
        return correlation(fa - ab, aa, beyond_visible) + correlation(fb - ab, bb, beyond_infrared)


class _Fidelity:
    """Memory and windows of the VIF for images of one size."""

    def __init__(self, height: int, width: int, reuse: bool) -> None:
        self._reuse = reuse
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
        """Bring the next pair of sources to all scales."""
        self._held: NDArray[np.float64] | None = None
        kernels.prepare(infrared, self._windows, self._scratch.lines, self._infrared_scales)
        kernels.prepare(visible, self._windows, self._scratch.lines, self._visible_scales)

    def measure(self, fused: Batch) -> float:
        """Measure one fused image against the loaded pair."""
        fresh = self._held is None or not self._reuse
        kernels.prepare(fused, self._windows, self._scratch.lines, self._fused_scales)
        scales = self._fused_scales, self._infrared_scales, self._visible_scales
        memory = self._windows, self._scratch, self._maps
        kept, held = np.split(kernels.compare(*scales, self._widths, *memory, fresh), 2)
        if self._held is None:
            self._held = held
        return float((kept / self._held).sum()) if self._held.all() else math.nan
