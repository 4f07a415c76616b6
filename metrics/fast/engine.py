"""The compiled path: one pair of sources at a time, any number of fused images."""

import math
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..cc import mean_correlation
from ..ms_ssim import WEIGHTS, product_of_scales
from ..scd import difference_correlations
from ..sd import standard_deviation
from ..shared.arrays import Batch, Image
from ..shared.correlation import correlation
from ..shared.filters import gaussian
from ..shared.histograms import Counts, joint_entropies
from ..shared.moments import WINDOWS
from ..ssim import SIGMA, WINDOW
from ..viff import share_of_scales
from . import edges, features, fidelity, levels, similarity, sums
from .levels import Bytes
from .scratch import Scratch, Window, allocate

FIDELITY_WINDOWS = tuple(Window(gaussian(size, size / 5), (0,) * (size // 2)) for size in WINDOWS)
SIMILARITY_WINDOW = Window(gaussian(WINDOW, SIGMA), (0,) * (WINDOW // 2))


class CompiledPair:
    """What the fast paths of metrics share, for one pair of sources at a time.

    `loaded` holds a pair and its fused images, `take` chooses one of them, and the methods measure
    it. What depends on the sources alone is computed once per pair, and what two metrics share once
    per image. An instance keeps its memory for the next pair and therefore serves one thread. All
    images hold finite values in [0, 255] and have the metric's minimum size.
    """

    def __init__(self, height: int, width: int) -> None:
        """Prepare for images of one size."""
        self._size = height, width

    @contextmanager
    def loaded(
        self, infrared: Batch, visible: Batch, fused: Batch, wanted: Collection[str]
    ) -> Iterator[None]:
        """Hold one pair of sources (H, W) and fused images (n, H, W), each uint8 or float64.

        What is wanted of the images decides which metrics are computed together. Afterwards images
        and what was computed from them are forgotten; the memory of the windows stays.
        """
        self._sources = np.ascontiguousarray(infrared), np.ascontiguousarray(visible)
        self._stack, self._wanted = np.ascontiguousarray(fused), wanted
        self._of_sources: dict[str, Any] = {}
        self._of_stack: dict[str, Any] = {}
        self.take(0)
        try:
            yield
        finally:
            del self._sources, self._stack, self._fused
            del self._of_sources, self._of_stack, self._of_fused

    def take(self, place: int) -> None:
        """Measure the fused image at this place from now on."""
        self._place, self._fused = place, self._stack[place]
        self._of_fused: dict[str, Any] = {}

    def sf(self) -> float:
        """Measure the spatial frequency of the fused image."""
        height, width = self._size
        across, down, _ = self._texture()
        return math.sqrt(across / (height * (width - 1)) + down / ((height - 1) * width))

    def ag(self) -> float:
        """Measure the average gradient of the fused image."""
        height, width = self._size
        return float(self._texture()[2] / (height * width))

    def scd(self) -> float:
        """Measure the sum of the correlations of differences."""
        moments = self._moments()
        if moments is None:
            return difference_correlations(*self._images())
        ff, aa, bb, fa, fb, ab = moments
        beyond_visible, beyond_infrared = ff + bb - 2 * fb, ff + aa - 2 * fa
        if min(aa, bb, beyond_visible, beyond_infrared) == 0:
            return math.nan
        return correlation(fa - ab, aa, beyond_visible) + correlation(fb - ab, bb, beyond_infrared)

    def sd(self) -> float:
        """Measure the standard deviation of the fused image."""
        moments = self._moments()
        if moments is None:
            return standard_deviation(*self._images())
        return math.sqrt(moments[0]) / int(self._fused.size)

    def cc(self) -> float:
        """Measure the mean correlation with both sources."""
        moments = self._moments()
        if moments is None:
            return mean_correlation(*self._images())
        ff, aa, bb, fa, fb, _ = moments
        if min(ff, aa, bb) == 0:
            return math.nan
        return (correlation(fa, ff, aa) + correlation(fb, ff, bb)) / 2

    def squared_errors(self) -> tuple[float, float]:
        """Measure the mean squared distance from infrared and from visible."""
        if not self._is_exact():
            f, a, b = self._images()
            return float(np.mean((f - a) ** 2)), float(np.mean((f - b) ** 2))
        (_, ff, fa, fb), (_, _, aa, bb, _) = self._products()
        count = self._fused.size
        return (ff + aa - 2 * fa) / count, (ff + bb - 2 * fb) / count

    def vif(self) -> float:
        """Measure the visual information fidelity."""
        key = "vif and viff" if "viff" in self._wanted else "vif"
        return self._fidelities(key)[0]

    def viff(self) -> float:
        """Measure Han's visual information fidelity for fusion."""
        return self._fidelities("vif and viff")[1]

    def qabf(self) -> float:
        """Measure the edge information transferred."""
        return self._edges("qabf", artefacts=False)

    def nabf(self) -> float:
        """Measure the artefacts of fusion."""
        return self._edges("nabf", artefacts=True)

    def ssim(self) -> float:
        """Measure the structural similarity to both sources."""
        infrared, visible, *_ = self._similarity(0)
        return infrared + visible

    def ms_ssim(self) -> float:
        """Measure the multi-scale structural similarity to both sources."""
        scales = [self._similarity(scale) for scale in range(len(WEIGHTS))]
        last = len(WEIGHTS) - 1
        return sum(
            product_of_scales([s[source + 2 * (n < last)] for n, s in enumerate(scales)])
            for source in (0, 1)
        )

    def feature_information(self, transform: Callable[[Image], Image]) -> float:
        """Measure the feature mutual information of the transformed images."""

        def transformed(*images: Batch) -> tuple[Image, ...]:
            return tuple(
                np.ascontiguousarray(transform(np.asarray(image, np.float64))) for image in images
            )

        key = f"features {transform.__module__}"
        sources = self._once(self._of_sources, key, lambda: transformed(*self._sources))
        return features.information(*transformed(self._fused), *sources)

    def joint_counts(self) -> tuple[Counts, Counts]:
        """Count the pairs of levels of fused image and infrared, and of it and visible."""
        found: tuple[Counts, Counts] = self._once(self._of_fused, "levels", self._count)
        return found

    def entropies(self) -> tuple[tuple[float, float, float], ...]:
        """Return H(F), H(S) and H(F, S) of the levels for S infrared and for S visible."""
        found: tuple[tuple[float, float, float], ...] = self._once(
            self._of_fused, "entropies", lambda: tuple(map(joint_entropies, self.joint_counts()))
        )
        return found

    def source_entropies(self) -> tuple[float, float, float]:
        """Return H(I), H(V) and H(I, V) of the levels of infrared I and visible V."""

        def compute() -> tuple[float, float, float]:
            return joint_entropies(levels.count_pairs(*map(_whole, self._sources)))

        found: tuple[float, float, float] = self._once(self._of_sources, "entropies", compute)
        return found

    def _count(self) -> tuple[Counts, Counts]:
        fused, infrared, visible = map(_whole, (self._fused, *self._sources))
        return levels.count_pairs(fused, infrared), levels.count_pairs(fused, visible)

    def _fidelities(self, key: str) -> tuple[float, float]:
        compute = partial(self._compare_scales, key == "vif and viff")
        sums = self._once(self._of_stack, key, compute)[self._place]
        kept, held, above, below = np.split(sums, (2, 4, 5), axis=1)
        kept, held = (side[0] + side[1] + side[2] + side[3] for side in (kept, held))
        value = float((kept / held).sum()) if held.all() else math.nan
        above, below = (side[:, 0] / math.log(10) for side in (above, below))
        return value, share_of_scales(above, below, self._window_counts())

    def _compare_scales(self, viff: bool) -> NDArray[np.float64]:
        """Return the sums of `fidelity.fidelities` per fused image and scale, (n, 4, 6)."""
        fused, infrared, visible = self._stack, *self._sources
        scales = []
        for scale, window in enumerate(FIDELITY_WINDOWS):
            if scale:
                lines = self._scratch.lines
                fused = fidelity.halved(fused, window, lines)
                infrared = fidelity.halved(infrared[None], window, lines)[0]
                visible = fidelity.halved(visible[None], window, lines)[0]
            images = fused, infrared, visible
            scales.append(fidelity.fidelities(*images, window, self._scratch, viff))
        return np.stack(scales, axis=1)

    def _window_counts(self) -> NDArray[np.float64]:
        """Count the windows of the four scales of VIF and VIFF."""
        (height, width), counts = self._size, []
        for scale, size in enumerate(WINDOWS):
            if scale:
                height, width = (height - size) // 2 + 1, (width - size) // 2 + 1
            counts.append(float((height - size + 1) * (width - size + 1)))
        return np.array(counts)

    def _edges(self, key: str, *, artefacts: bool) -> float:
        compute = partial(edges.edge_sums, self._stack, *self._sources, artefacts)
        above, below = self._once(self._of_stack, key, compute)[self._place]
        return float(above / below) if below > 0 else math.nan

    def _similarity(self, scale: int) -> list[float]:
        """Compare with both sources at one scale, as `similarity.similarities` does."""
        fused = self._scale(self._of_stack, (self._stack,), scale)[0]
        sources = self._scale(self._of_sources, self._sources, scale)
        images = fused, *sources, SIMILARITY_WINDOW, self._scratch
        compute = partial(similarity.similarities, *images)
        found = self._once(self._of_stack, f"similarity {scale}", compute)
        return [float(value) for value in found[self._place]]

    def _scale(self, known: dict[str, Any], images: tuple[Batch, ...], scale: int) -> Any:
        if scale == 0:
            return images
        finer = self._scale(known, images, scale - 1)
        return self._once(known, f"scale {scale}", lambda: tuple(map(_halved, finer)))

    @cached_property
    def _scratch(self) -> Scratch:
        return allocate(self._size[1])

    def _once(self, known: dict[str, Any], key: str, compute: Callable[[], Any]) -> Any:
        if key not in known:
            known[key] = compute()
        return known[key]

    def _images(self) -> tuple[Image, Image, Image]:
        f, a, b = (np.asarray(image, np.float64) for image in (self._fused, *self._sources))
        return f, a, b

    def _texture(self) -> Any:
        return self._once(self._of_fused, "texture", lambda: sums.texture(self._fused))

    def _is_exact(self) -> bool:
        return all(image.dtype == np.uint8 for image in (self._fused, *self._sources))

    def _products(self) -> Any:
        """Sum f, f², f·a and f·b, and what `sums.source_products` says, of 8-bit images."""
        of_fused = self._once(
            self._of_fused, "sums", lambda: sums.fused_products(self._fused, *self._sources)
        )
        of_sources = self._once(
            self._of_sources, "sums", lambda: sums.source_products(*self._sources)
        )
        return [int(total) for total in of_fused], [int(total) for total in of_sources]

    def _moments(self) -> tuple[int, ...] | None:
        """Return N² times the variances of f, a, b and the covariances fa, fb, ab.

        They are whole numbers, in which a flat image is exactly 0; None if an image is not 8-bit.
        """
        if not self._is_exact():
            return None
        (f_, ff, fa, fb), (a_, b_, aa, bb, ab) = self._products()
        n = self._fused.size
        means = ((ff, f_, f_), (aa, a_, a_), (bb, b_, b_), (fa, f_, a_), (fb, f_, b_), (ab, a_, b_))
        return tuple(n * product - x * y for product, x, y in means)


def _whole(image: Batch) -> Bytes:
    return image if image.dtype == np.uint8 else np.rint(image).astype(np.uint8)


def _halved(image: Batch) -> Image:
    """Halve an image as `metrics.ms_ssim.mean_of_blocks` does."""
    height, width = image.shape[-2:]
    halves = sums.halved(image.reshape(-1, height, width))
    return halves.reshape(*image.shape[:-2], height // 2, width // 2)
