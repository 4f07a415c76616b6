"""Images that are too large for a method or for the memory: in overlapping parts, or refused."""

import itertools
import math
from collections.abc import Collection, Iterable
from typing import Any

import torch
from torch import Tensor

from harness.disk.files import size_text
from harness.errors import MethodFailure
from harness.fusing.memory import SIDES, memory_use
from harness.machine.memory import available_bytes
from harness.methods.contract import Fuse, Method
from harness.methods.spec import MethodSpec
from harness.tiles.store import USUAL_PIXELS

SMALLEST = 64
"""Side of the smallest part without its overlap, pixels: smaller ones are mostly overlap."""

Size = tuple[int, int]


def fit(
    spec: MethodSpec, method: Method, sizes: Iterable[Size], device: torch.device
) -> dict[str, Any]:
    """Make a loaded method fuse images of these sizes within the memory at hand.

    An image that is larger than `largest`, or that takes more memory than there is, is fused in
    overlapping parts if the method states its `overlap`. Images up to the usual size of a tile are
    not examined: methods are made for them.

    Args:
        spec: what the method states about itself.
        method: the method on its device; its `fuse` is replaced if there are such images.
        sizes: height and width of every image.
        device: the device of the method.

    Returns:
        What a record says about it: `parts`, or nothing if every image is fused whole.

    Raises:
        MethodFailure: with the estimate, if an image can be fused neither way.
    """
    large = {size for size in sizes if math.prod(size) > USUAL_PIXELS or _exceeds(size, spec)}
    if not large:
        return {}
    room = available_bytes(device)
    small = spec.largest is not None and spec.largest < max(SIDES)
    use = None if small else memory_use(method, device)
    most = use.most_pixels(room) if use else None
    too_large = [s for s in large if _exceeds(s, spec) or (most and math.prod(s) > most)]
    if not too_large:
        return {}
    size = max(too_large, key=math.prod)
    height, width = size
    why = f"an image of {height}×{width} pixels is larger than {spec.largest}, its `largest`"
    if use and most is not None and math.prod(size) > most:
        needed = size_text(use.bytes_of(height * width))
        why = (
            f"an image of {height}×{width} pixels takes about {needed} of memory, and "
            f"{size_text(room)} are free"
        )
    if spec.overlap is None:
        raise MethodFailure(
            f"{why}; it cannot be fused in parts, because method.yaml states no `overlap`; "
            "give the data set a `tiling`, or use a machine with more memory"
        )
    side = _side(spec, most)
    if side < SMALLEST:
        raise MethodFailure(
            f"{why}; parts of {SMALLEST} pixels with an overlap of {spec.overlap} are too large "
            "as well; use a machine with more memory"
        )
    _replace_fuse(method, in_parts(method.fuse, side, spec.overlap, spec.size_multiple), too_large)
    return {"parts": {"side": side, "overlap": spec.overlap, "sizes": sorted(too_large)}}


def _replace_fuse(method: Any, parted: Fuse, too_large: Collection[Size]) -> None:
    whole = method.fuse

    def fuse(infrared: Tensor, visible: Tensor) -> Tensor:
        cut = tuple(infrared.shape[-2:]) in too_large
        return (parted if cut else whole)(infrared, visible)

    method.fuse = fuse


def call_size(batch: int, size: Size) -> int:
    """Return how many images of a size go into one call: larger ones than a usual tile go alone.

    So a large image takes as much memory, and has the same bits, as in the command `fuse`.
    """
    return batch if math.prod(size) <= USUAL_PIXELS else 1


def _exceeds(size: Size, spec: MethodSpec) -> bool:
    return spec.largest is not None and max(size) > spec.largest


def _side(spec: MethodSpec, most: int | None) -> int:
    """Return the side of parts, without overlap, that keep both limits."""
    limits = [spec.largest] if spec.largest else []
    limits += [math.isqrt(most)] if most is not None else []
    side = min(limits) - 2 * _margin(spec.overlap or 0, spec.size_multiple)
    return side // spec.size_multiple * spec.size_multiple


def _margin(overlap: int, multiple: int) -> int:
    """Round the overlap up, so that a part begins where the grid of a method does."""
    return -(-overlap // multiple) * multiple


def in_parts(fuse: Fuse, side: int, overlap: int, multiple: int = 1) -> Fuse:
    """Return a function that fuses an image part by part.

    Args:
        fuse: takes up to `side` + 2 `overlap` pixels per side, rounded up to the multiple.
        side: pixels of a part that are kept, a multiple of `multiple`.
        overlap: pixels around a pixel that decide its value.
        multiple: of the positions at which a part may begin.

    Returns:
        A function that gives what `fuse` would give for the whole image, up to rounding.
    """
    margin = _margin(overlap, multiple)

    def fuse_parts(infrared: Tensor, visible: Tensor) -> Tensor:
        height, width = infrared.shape[-2:]
        fused = torch.empty_like(infrared)
        for y, x in itertools.product(*(range(0, length, side) for length in (height, width))):
            rows, inner_rows = _window(y, side, margin, height)
            columns, inner_columns = _window(x, side, margin, width)
            part = fuse(*(image[..., rows, columns].clone() for image in (infrared, visible)))
            kept = (..., slice(y, y + side), slice(x, x + side))
            fused[kept] = part[..., inner_rows, inner_columns]
        return fused

    return fuse_parts


def _window(start: int, side: int, margin: int, length: int) -> tuple[slice, slice]:
    """Return what a part reads of one axis, and which of it is kept."""
    first, last = max(0, start - margin), min(length, start + side + margin)
    return slice(first, last), slice(start - first, min(start + side, length) - first)
