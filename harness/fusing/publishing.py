"""Images as the authors of a method publish them: the rule `published` of its method.yaml."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from harness.errors import MethodFailure, as_method_failure
from harness.fusing.inference import call_fuse
from harness.fusing.job import FusingJob
from harness.machine.device import tiny_numbers_as_zero
from harness.machine.isolation import Heartbeat
from harness.methods.contract import Method
from harness.methods.spec import MethodSpec, Published, published_rule
from harness.pixels import PUBLISHED, Bytes, Float, exact_luma, recompose
from harness.terminal import progress
from metrics.images import grey_of


class Source(NamedTuple):
    """One pair: (H, W) float32 in [0, 1] each; rgb is uint8 (3, H, W), None if visible is gray."""

    name: str
    infrared: Float
    visible: Float
    rgb: Bytes | None


def publish(
    spec: MethodSpec, method: Method, sources: Sequence[Source], device: torch.device
) -> list[Bytes]:
    """Fuse pairs and return the 8-bit images that the authors' script would save.

    Args:
        spec: the method, which states a rule.
        method: the loaded method, on the device.
        sources: the pairs that share minimum and maximum: `batch` of the rule.
        device: the device of the method.

    Returns:
        One image per pair, uint8 (h, w), or (3, h, w) in colour.

    Raises:
        MethodFailure: naming the pair, if the method raises or returns no such image.
        HarnessError: if the method states no rule.
    """
    rule = published_rule(spec)
    if hasattr(method, "publish"):
        return [_by_hook(rule, method, source, device) for source in sources]
    fused = []
    for source in sources:
        infrared, visible = _tensors(rule, source, device)
        output = call_fuse(method, infrared, visible, what=source.name)
        fused.append(_checked(output, infrared.shape, source.name))
    return saved(rule, fused, [source.rgb for source in sources])


def write_published_stack(
    job: FusingJob, method: Method, device: torch.device, heartbeat: Heartbeat
) -> None:
    """Fuse the tiles of a job as published, and write the luma or the colours of the images.

    Where the authors crop an image, its last row and column are repeated.

    Raises:
        MethodFailure: naming the tile, if the method raises or returns no image.
        HarnessError: if the method states no rule.
        StorageError: if the disk is full or is not writable.
    """
    together = published_rule(job.spec).batch
    with job.open_stack(PUBLISHED) as stack:
        for start in progress(range(0, len(job.names), together), f"publishing {job.spec.name}"):
            tiles = range(start, min(start + together, len(job.names)))
            images = publish(job.spec, method, [_source(job, tile) for tile in tiles], device)
            for tile, image in zip(tiles, images, strict=True):
                stack.write(tile, _as_stacked(image, job.pairs.sizes[tile], colour=job.colour))
            heartbeat()


def _as_stacked(image: Bytes, size: tuple[int, int], *, colour: bool) -> Bytes:
    """Return the luma (H, W) or the colours (3, H, W) of a saved image, extended to the size."""
    image = np.broadcast_to(image, (3, *image.shape[-2:])) if colour else grey_of(image)
    missing = [(0, wanted - found) for wanted, found in zip(size, image.shape[-2:], strict=True)]
    return np.pad(image, [(0, 0)] * (image.ndim - 2) + missing, mode="edge")


def _source(job: FusingJob, tile: int) -> Source:
    part = slice(tile, tile + 1)
    infrared, visible = (
        images(part)[0].astype(np.float32) / np.float32(255)
        for images in (job.pairs.infrared, job.pairs.visible)
    )
    return Source(job.names[tile], infrared, visible, np.array(job.pairs.rgb(part)[0]))


def _tensors(rule: Published, source: Source, device: torch.device) -> list[Tensor]:
    """Return infrared and visible (1, 1, H, W), in the luma that the authors' script reads."""
    visible = source.visible
    if rule.luma == "exact" and source.rgb is not None:
        visible = exact_luma(source.rgb)
    return [torch.from_numpy(x)[None, None].to(device) for x in (source.infrared, visible)]


def _by_hook(rule: Published, method: Any, source: Source, device: torch.device) -> Bytes:
    rgb = None if source.rgb is None else torch.from_numpy(source.rgb)[None].to(device)
    with as_method_failure(source.name), torch.no_grad(), tiny_numbers_as_zero():
        return _checked_bytes(method.publish(*_tensors(rule, source, device), rgb), source.name)


def _checked(fused: Tensor, shape: torch.Size, name: str) -> Float:
    if not isinstance(fused, Tensor) or fused.shape != shape or not fused.isfinite().all():
        raise MethodFailure(f"{name}: fuse returned another shape, or values that are not finite")
    return fused[0, 0].to("cpu", torch.float32).numpy()


def _checked_bytes(image: object, name: str) -> Bytes:
    if not isinstance(image, Tensor) or image.dtype != torch.uint8:
        raise MethodFailure(f"{name}: publish returned no uint8 tensor")
    if image.ndim not in (2, 3) or (image.ndim == 3 and len(image) != 3):
        found = tuple(image.shape)
        raise MethodFailure(f"{name}: publish returned {found}, expected (H, W) or (3, H, W)")
    return image.cpu().numpy()


def saved(rule: Published, fused: Sequence[Float], rgbs: Sequence[Bytes | None]) -> list[Bytes]:
    """Apply a rule to the outputs of images that share minimum and maximum.

    Args:
        rule: how the images are saved.
        fused: output per image, (H, W) float32, not clamped; sizes may differ.
        rgbs: visible image per fused one, uint8 (3, H, W), or None if it is gray.

    Returns:
        uint8 (H, W) per image, or (3, H, W) if the rule is over RGB and the image has colours.
    """
    images = list(fused)
    if rule.over == "rgb":
        images = [_coloured(*pair) for pair in zip(fused, rgbs, strict=True)]
    low, width = 0.0, 1.0
    if rule.stretch != "none":
        low = min(image.min() for image in images) if rule.stretch == "minmax" else 0.0
        # A flat image becomes black instead of undefined.
        width = max(image.max() for image in images) - low or 1.0
    half = np.float32(0.5 if rule.quantise == "round" else 0)
    return [
        (np.clip((image - low) / width, 0, 1) * np.float32(255) + half).astype(np.uint8)
        for image in images
    ]


def _coloured(fused: Float, rgb: Bytes | None) -> Float:
    clamped = np.clip(fused, 0, 1)
    return clamped if rgb is None else recompose(clamped[None], rgb[None])[0]
