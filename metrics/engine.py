"""The compiled path: one pair of sources at a time, any number of fused images."""

import math

import numpy as np

from metrics import kernels
from metrics.arrays import Batch, Image
from metrics.filters import gaussian
from metrics.kernels import BLOCK, KEPT, PLANES, SIDE
from metrics.moments import WINDOWS
from metrics.scd import difference_correlations

CACHE_LINE = 64


def aligned(*shape: int) -> Image:
    """Allocate zeros that start on a cache line, as vector loads want them."""
    count = math.prod(shape)
    memory = np.zeros(count + CACHE_LINE // 8)
    start = -memory.ctypes.data % CACHE_LINE // 8
    return memory[start : start + count].reshape(shape)


def scratch() -> kernels.Scratch:
    """Allocate what a thread needs to compare images of any size."""
    return kernels.Scratch(
        pixels=aligned(2 * BLOCK),
        filtered=aligned(BLOCK),
        columns=aligned(2 * PLANES * KEPT * BLOCK),
        means=aligned(2 * PLANES * BLOCK),
        factors=aligned(6 * BLOCK),
    )


class Scale:
    """Images, in strips, and source maps of one scale of the VIF."""

    def __init__(self, level: int, height: int, width: int, reuse: bool) -> None:
        """Allocate for images of (height, width) at this scale, 0 being the finest."""
        size = WINDOWS[level]
        self._size = height, width
        strips = math.ceil(width / SIDE) + 1
        self.fused, self.infrared, self.visible = (
            aligned(strips, (height + SIDE) * SIDE) for _ in range(3)
        )
        self._taps, self._half = gaussian(size, size / 5), (0,) * (size // 2)
        # An image of the scale above is twice as wide, and a window.
        self._lines = aligned(3, 2 * (strips + 1) * SIDE)
        rows, columns = (math.ceil((side - size + 1) / SIDE) for side in (height, width))
        self._maps = aligned(rows * columns if reuse else 1, PLANES * BLOCK)

    def halve(self, finer: Image, image: Image) -> None:
        """Fill an image of this scale from its counterpart at the scale above."""
        kernels.halve(finer, self._taps, self._half, self._lines, image, self._size[0])

    def compare(self, memory: kernels.Scratch, fresh: bool) -> Image:
        """Compare the fused image with the sources; see `kernels.compare`."""
        return kernels.compare(
            self.fused,
            self.infrared,
            self.visible,
            *self._size,
            self._taps,
            self._half,
            memory,
            self._maps,
            fresh,
        )


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
        self._scratch = scratch()
        self._fused, self._infrared, self._visible = (aligned(height, width) for _ in range(3))
        self._scales: list[Scale] = []
        if "vif" in names:
            for level, size in enumerate(WINDOWS):
                if level:
                    height, width = (height - size) // 2 + 1, (width - size) // 2 + 1
                self._scales.append(Scale(level, height, width, reuse))
        self._held = np.zeros(2)
        self._fresh = self._exact = False
        self._infrared_sums = self._visible_sums = (0.0, 0.0, 0.0, 0.0)

    def load(self, infrared: Batch, visible: Batch) -> None:
        """Take the next pair of sources, each (H, W) uint8 or float64."""
        kernels.centre(np.ascontiguousarray(infrared), self._infrared)
        kernels.centre(np.ascontiguousarray(visible), self._visible)
        self._exact = infrared.dtype == visible.dtype == np.uint8
        self._fresh = True
        if "scd" in self._names:
            a, b = self._infrared, self._visible
            self._infrared_sums = kernels.products(a, b, b)
            self._visible_sums = kernels.products(b, a, a)
        self._descend("infrared", self._infrared)
        self._descend("visible", self._visible)

    def _descend(self, role: str, image: Image) -> None:
        """Bring an image to all scales."""
        finer = None
        for scale in self._scales:
            strips = getattr(scale, role)
            if finer is None:
                kernels.lay_out(image, strips)
            else:
                scale.halve(finer, strips)
            finer = strips

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
        sums = kernels.products(self._fused, self._infrared, self._visible)
        f_, ff, fa, fb = map(int, sums)
        a_, aa, ab, _ = map(int, self._infrared_sums)
        b_, bb, *_ = map(int, self._visible_sums)
        n = self._fused.size
        ff, aa, bb = n * ff - f_ * f_, n * aa - a_ * a_, n * bb - b_ * b_
        fa, fb, ab = n * fa - f_ * a_, n * fb - f_ * b_, n * ab - a_ * b_
        beyond_visible, beyond_infrared = ff + bb - 2 * fb, ff + aa - 2 * fa
        if min(aa, bb, beyond_visible, beyond_infrared) == 0:
            return math.nan
        infrared = (fa - ab) / math.sqrt(aa * beyond_visible)
        visible = (fb - ab) / math.sqrt(bb * beyond_infrared)
        return infrared + visible

    def _vif(self) -> float:
        self._descend("fused", self._fused)
        sums = sum(scale.compare(self._scratch, self._fresh) for scale in self._scales)
        kept, held = np.split(np.asarray(sums), 2)
        if self._fresh:
            self._held, self._fresh = held, not self._reuse
        return float((kept / self._held).sum()) if self._held.all() else math.nan
