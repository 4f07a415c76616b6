"""The compiled path: one pair of sources at a time, any number of fused images."""

import math

import numpy as np

from metrics import kernels
from metrics.arrays import Batch, Image
from metrics.filters import gaussian
from metrics.kernels import BLOCK, LANES, PLANES, STRIPS, TILE
from metrics.moments import WINDOWS
from metrics.scd import difference_correlations

CACHE_LINE = 64


def aligned(*shape: int) -> Image:
    """Allocate zeros that start on a cache line, as vector loads want them."""
    count = math.prod(shape)
    memory = np.zeros(count + CACHE_LINE // 8)
    start = -memory.ctypes.data % CACHE_LINE // 8
    return memory[start : start + count].reshape(shape)


class Scale:
    """Images, source maps and scratch memory of one scale of the VIF."""

    def __init__(self, level: int, height: int, width: int) -> None:
        """Allocate for images of (height, width) at this scale, 0 being the finest."""
        size = WINDOWS[level]
        self.fused, self.infrared, self.visible = (aligned(height, width) for _ in range(3))
        self._taps, self._half = gaussian(size, size / 5), (0,) * (size // 2)
        self._column = aligned(2 * width + size)
        strips = math.ceil((width - size + 1) / (LANES * STRIPS[level]))
        self._maps = aligned(strips, height - size + 1, PLANES * TILE)
        self._strip = (0,) * STRIPS[level]
        self._scratch = kernels.Scratch(
            rows=aligned(PLANES * (TILE + size - 1)),
            ring=aligned(PLANES * 2 * (size - 1 + BLOCK) * TILE),
            means=aligned(PLANES * BLOCK * TILE),
            factors=aligned(4 * TILE),
        )

    def halve(self, finer: Image, image: Image) -> None:
        """Fill an image of this scale from its counterpart at the scale above."""
        kernels.halve(finer, self._taps, self._half, self._column, image)

    def keep_sources(self) -> tuple[float, float]:
        """Store what the fused images need to know of the sources; give the denominators."""
        return kernels.source_pass(
            self.infrared,
            self.visible,
            self._taps,
            self._half,
            self._strip,
            self._scratch,
            self._maps,
        )

    def compare(self) -> tuple[float, float]:
        """Give the numerators of the fused image."""
        return kernels.fused_pass(
            self.fused,
            self.infrared,
            self.visible,
            self._taps,
            self._half,
            self._strip,
            self._scratch,
            self._maps,
        )


class PairScorer:
    """Measures fused images (H, W) by sf, ag, scd and vif against one pair of sources at a time.

    What depends on the sources alone is computed once a pair. Memory is kept from pair to pair, so
    that an instance serves one thread. The values are those of the metric functions, to rounding.
    Images hold finite values in [0, 255] and are large enough for the metrics asked for.
    """

    def __init__(self, height: int, width: int, names: tuple[str, ...]) -> None:
        """Allocate for images of one size and for some of the four metrics."""
        self._names = names
        self._scales: list[Scale] = []
        if "vif" in names:
            for level, size in enumerate(WINDOWS):
                if level:
                    height, width = (height - size) // 2 + 1, (width - size) // 2 + 1
                self._scales.append(Scale(level, height, width))
            finest = self._scales[0]
            self._fused, self._infrared = finest.fused, finest.infrared
            self._visible = finest.visible
        else:
            self._fused, self._infrared, self._visible = (aligned(height, width) for _ in range(3))
        self._held = np.zeros(2)
        self._exact = False

    def load(self, infrared: Batch, visible: Batch) -> None:
        """Take the next pair of sources, each (H, W) uint8 or float64."""
        kernels.centre(np.ascontiguousarray(infrared), self._infrared)
        kernels.centre(np.ascontiguousarray(visible), self._visible)
        self._exact = infrared.dtype == visible.dtype == np.uint8
        self._held = np.zeros(2)
        for finer, scale in zip([None, *self._scales], self._scales, strict=False):
            if finer:
                scale.halve(finer.infrared, scale.infrared)
                scale.halve(finer.visible, scale.visible)
            self._held += scale.keep_sources()

    def measure(self, fused: Batch) -> dict[str, float]:
        """Measure one fused image (H, W) uint8 or float64 against the loaded pair."""
        kernels.centre(np.ascontiguousarray(fused), self._fused)
        values = {}
        if "sf" in self._names or "ag" in self._names:
            values.update(self._texture())
        if "scd" in self._names:
            exact = self._exact and fused.dtype == np.uint8
            values["scd"] = self._exact_scd() if exact else self._real_scd()
        if "vif" in self._names:
            values["vif"] = self._vif()
        return values

    def _texture(self) -> dict[str, float]:
        height, width = self._fused.shape
        across, down, slope = kernels.texture(self._fused)
        frequency = across / (height * (width - 1)) + down / ((height - 1) * width)
        return {"sf": math.sqrt(frequency), "ag": slope / (height * width)}

    def _real_scd(self) -> float:
        return difference_correlations(self._fused, self._infrared, self._visible)

    def _exact_scd(self) -> float:
        """Correlate from sums of whole numbers, in which a flat difference is exactly 0."""
        f, a, b = self._fused, self._infrared, self._visible
        f_, ff, fa = (int(total) for total in kernels.products(f, a))
        fb = int(kernels.products(f, b)[2])
        a_, aa, ab = (int(total) for total in kernels.products(a, b))
        b_, bb, _ = (int(total) for total in kernels.products(b, a))
        n = f.size
        ff, aa, bb = n * ff - f_ * f_, n * aa - a_ * a_, n * bb - b_ * b_
        fa, fb, ab = n * fa - f_ * a_, n * fb - f_ * b_, n * ab - a_ * b_
        beyond_visible, beyond_infrared = ff + bb - 2 * fb, ff + aa - 2 * fa
        if min(aa, bb, beyond_visible, beyond_infrared) == 0:
            return math.nan
        infrared = (fa - ab) / math.sqrt(aa * beyond_visible)
        visible = (fb - ab) / math.sqrt(bb * beyond_infrared)
        return infrared + visible

    def _vif(self) -> float:
        kept = np.zeros(2)
        for finer, scale in zip([None, *self._scales], self._scales, strict=False):
            if finer:
                scale.halve(finer.fused, scale.fused)
            kept += scale.compare()
        return float((kept / self._held).sum()) if self._held.all() else math.nan
