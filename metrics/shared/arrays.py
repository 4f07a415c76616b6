"""Checks of the three arrays, which every metric needs before it measures."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import MetricError

Image = NDArray[np.float64]
Values = NDArray[np.float64]
Batch = NDArray[Any]
Triple = tuple[Batch, Batch, Batch]
ImageMetric = Callable[[Image, Image, Image], float]

ROLES = ("fused", "infrared", "visible")


class Checked(np.ndarray[Any, np.dtype[Any]]):
    """A batch that passed `as_batch`, or was computed from one that did.

    One dark or resized image may look as if it was scaled to [0, 1]. The check of the whole batch
    has already decided that it was not.
    """


def as_batch(images: ArrayLike, role: str) -> Batch:
    """Check one batch of images and return it: uint8 as it is, everything else as float64.

    Args:
        images: (B, H, W), any real dtype, values in [0, 255]; NaN and infinities are allowed.
        role: name of the array in an error.

    Raises:
        MetricError: wrong number of dimensions, an empty or complex array, values outside
            [0, 255], or a float array that looks as if it was scaled to [0, 1].
    """
    if isinstance(images, Checked):
        return images
    batch = np.asarray(images)
    if batch.ndim != 3:
        raise MetricError(
            f"{role}: expected an array (B, H, W), got shape {batch.shape}; "
            "add the batch axis of a single image with image[None]"
        )
    if batch.size == 0:
        raise MetricError(f"{role}: the array of shape {batch.shape} holds no pixel")
    if batch.dtype == np.uint8:
        return batch
    if batch.dtype.kind not in "buif":
        raise MetricError(f"{role}: expected real numbers, got dtype {batch.dtype}")
    batch = batch.astype(np.float64, copy=False)
    finite = batch[np.isfinite(batch)]
    if finite.size:
        _check_scale(finite, role)
    return batch


def _check_scale(values: Values, role: str) -> None:
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 255:
        raise MetricError(
            f"{role}: values must lie in [0, 255], found [{low:g}, {high:g}]; "
            "clip or rescale the image to 8-bit levels"
        )
    if high <= 1 and bool((values % 1).any()):
        raise MetricError(
            f"{role}: values lie in [{low:g}, {high:g}], which looks like the 0-1 scale; "
            "multiply by 255, the scale on which every metric here is defined"
        )


def as_triple(fused: ArrayLike, infrared: ArrayLike, visible: ArrayLike) -> Triple:
    """Check that three batches, each as `as_batch` takes it, have one shape."""
    batches = as_batch(fused, "fused"), as_batch(infrared, "infrared"), as_batch(visible, "visible")
    shapes = [batch.shape for batch in batches]
    if len(set(shapes)) > 1:
        found = ", ".join(f"{role} {shape}" for role, shape in zip(ROLES, shapes, strict=True))
        raise MetricError(f"the three arrays must have one shape (B, H, W), found {found}")
    return batches


def require_size(shape: tuple[int, ...], minimum: int, metric: str) -> None:
    """Refuse images (..., H, W) with a side below `minimum` pixels, too small for `metric`."""
    height, width = shape[-2:]
    if min(height, width) < minimum:
        raise MetricError(
            f"{metric} needs images of at least {minimum}×{minimum} px, got {height}×{width}"
        )


def finite_images(*batches: Batch) -> NDArray[np.bool_]:
    """Return per position of the batches (B, H, W) whether all pixels are finite, (B,) bool."""
    finite = np.ones(len(batches[0]), dtype=np.bool_)
    for batch in batches:
        if batch.dtype != np.uint8:
            finite &= np.isfinite(batch).all(axis=(1, 2))
    return finite


def per_image(
    measure: ImageMetric,
    fused: ArrayLike,
    infrared: ArrayLike,
    visible: ArrayLike,
    *,
    metric: str,
    minimum: int = 1,
) -> Values:
    """Measure each triple of batches (B, H, W) on its own, as (B,) float64.

    The value is NaN where any of the three images has a NaN or infinite pixel. `measure` takes
    fused, infrared and visible, each (H, W) float64 in [0, 255] and finite.

    Raises:
        MetricError: the arrays are not a triple, or have a side below `minimum`; names `metric`.
    """
    triple = as_triple(fused, infrared, visible)
    require_size(triple[0].shape, minimum, metric)
    values = np.full(len(triple[0]), np.nan)
    for index in np.flatnonzero(finite_images(*triple)):
        f, a, b = (np.ascontiguousarray(batch[index], dtype=np.float64) for batch in triple)
        values[index] = measure(f, a, b)
    return values


def sum_of_products(x: Image, y: Image) -> float:
    """Sum x·y over two images (H, W), without the memory of their product."""
    return float(np.einsum("ij,ij->", x, y))
