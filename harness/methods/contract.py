"""The contract between the harness and a fusion method, and the guard that enforces it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.errors import MethodFailure

# This is part of the contract: the label of a pixel without a class.
from harness.pixels import IGNORE as IGNORE


@dataclass(frozen=True)
class Batch:
    """B training tiles on the device.

    infrared, visible: float32 (B, 1, H, W) in [0, 1]. label: int64 (B, H, W) class indices; 255
    means that the pixel is ignored.
    """

    infrared: Tensor
    visible: Tensor
    label: Tensor


class Method(Protocol):
    """The interface of the entry class that a `method.yaml` names.

    A torch module is moved to the device and switched to evaluation mode before the first call.
    A module that overrides `eval` decides itself what this means. The harness calls `fuse` and
    `publish` without gradients, and with subnormal numbers as 0.
    """

    def fuse(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """Fuse float32 (B, 1, H, W) pairs in [0, 1] into float32 (B, 1, H, W) in [0, 1]."""
        ...


class PublishingMethod(Method, Protocol):
    """A method whose authors save their images in a way that `published:` has no words for."""

    def publish(self, infrared: Tensor, visible: Tensor, rgb: Tensor | None) -> Tensor:
        """Return the 8-bit image that the authors' script saves for one pair.

        Args:
            infrared: float32 (1, 1, H, W) in [0, 1].
            visible: float32 (1, 1, H, W) in [0, 1], luma as `published: luma` says.
            rgb: uint8 (1, 3, H, W), or None if the visible image is gray.

        Returns:
            uint8 (h, w), or (3, h, w) in colour; h and w are smaller than H and W where the
            script crops.
        """
        ...


class TrainableMethod(Method, Protocol):
    """A method that is also a torch module and can be trained."""

    def training_loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return named scalar loss terms; training minimises their sum."""
        ...


Fuse = Callable[[Tensor, Tensor], Tensor]


def extended(fuse: Fuse, multiple: int) -> Fuse:
    """Return `fuse` for any size, made from one that takes multiples of `multiple` pixels only.

    The images are extended by reflection at the right and the bottom, and the result is cropped.
    """

    def fuse_any_size(infrared: Tensor, visible: Tensor) -> Tensor:
        height, width = infrared.shape[-2:]
        pair = (_reflected(_reflected(x, -2, multiple), -1, multiple) for x in (infrared, visible))
        return fuse(*pair)[..., :height, :width]

    return fuse_any_size


def _reflected(images: Tensor, axis: int, multiple: int) -> Tensor:
    size = images.shape[axis]
    if size % multiple == 0:
        return images
    index = torch.arange(size + -size % multiple, device=images.device)
    # Positions run forth and back without repeating the edge, also in an image that is tiny.
    index = index % max(1, 2 * size - 2)
    return images.index_select(axis, torch.minimum(index, (2 * size - 2 - index).abs()))


def check_fused(
    fused: object, infrared: Tensor, visible: Tensor, *, tiles: list[str], clamp: bool
) -> NDArray[np.float32]:
    """Check the output of one call of `fuse`; return a copy as float32 (B, H, W) in [0, 1].

    Args:
        fused: the return value of the method.
        infrared: (B, 1, H, W) source.
        visible: (B, 1, H, W) source.
        tiles: names of the B tiles, for messages.
        clamp: whether `method.yaml` asks the harness to clamp the output.

    Raises:
        MethodFailure: for a wrong type or shape, for complex or whole numbers, for a value that is
            not finite or is outside [0, 1], or for a constant image from sources that are not
            constant.
    """
    values = copied(fused, infrared.shape, tiles[0])
    if clamp:
        values = np.clip(values, 0.0, 1.0)
    varied = (
        (infrared.amax((1, 2, 3)) > infrared.amin((1, 2, 3)))
        | (visible.amax((1, 2, 3)) > visible.amin((1, 2, 3)))
    ).tolist()
    for name, tile, sources_vary in zip(tiles, values, varied, strict=True):
        _check_tile(tile, name, sources_vary)
    return values


def copied(fused: object, shape: torch.Size, tile: str) -> NDArray[np.float32]:
    """Copy what `fuse` returned, which should have this (B, 1, H, W) shape, as (B, H, W) float32.

    A copy, because the method may write its next result into the same tensor.

    Raises:
        MethodFailure: naming the first tile, for a wrong type or shape or for complex or whole
            numbers.
    """
    if not isinstance(fused, Tensor):
        raise MethodFailure(f"fuse returned {type(fused).__name__}, expected a torch tensor")
    if fused.shape != shape:
        found, wanted = tuple(fused.shape), tuple(shape)
        raise MethodFailure(f"fuse returned shape {found}, expected {wanted} (tile {tile})")
    if not fused.is_floating_point():
        raise MethodFailure(
            f"fuse returned {fused.dtype}, expected floating-point values in [0, 1] (tile {tile})"
        )
    return fused.detach().to("cpu", torch.float32, copy=True).numpy()[:, 0]


def check_terms(terms: object) -> None:
    """Refuse what `training_loss` returned unless it is named scalars of floating point.

    Raises:
        MethodFailure: naming the term and its type.
    """
    if not isinstance(terms, Mapping) or not terms:
        raise MethodFailure(f"training_loss returned {terms!r:.80}, expected named scalar tensors")
    for name, term in terms.items():
        if not isinstance(term, Tensor) or not term.is_floating_point() or term.ndim:
            found = f"{term.dtype} {tuple(term.shape)}" if isinstance(term, Tensor) else type(term)
            raise MethodFailure(f"training_loss: {name} is {found}, expected a real scalar tensor")


def _check_tile(tile: NDArray[np.float32], name: str, sources_vary: bool) -> None:
    finite = np.isfinite(tile)
    if not finite.all():
        bad = tile[~finite].flat[0]
        raise MethodFailure(f"tile {name}: {(~finite).sum()} pixels are not finite, e.g. {bad}")
    low, high = float(tile.min()), float(tile.max())
    if low < 0.0 or high > 1.0:
        raise MethodFailure(
            f"tile {name}: values span [{low:.6g}, {high:.6g}], expected [0, 1]; "
            "return clamped values or set `clamp: true` in method.yaml"
        )
    if sources_vary and low == high:
        raise MethodFailure(f"tile {name}: constant output {low:.6g} from sources that vary")
