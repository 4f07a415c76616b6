"""Measure on the test tiles whether a training succeeded; `harness.stages.learning` keeps it."""

import copy
import math
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from harness.blocks.ssim import SourceMoments, ssim_maps
from harness.errors import MethodFailure, as_method_failure
from harness.fusing.inference import call_fuse, to_tensor
from harness.machine.isolation import Heartbeat
from harness.methods.contract import IGNORE, Batch, Method, TrainableMethod
from harness.pixels import quantise
from harness.tiles.array_file import Images
from harness.tiles.store import USUAL_PIXELS, Pairs, evenly
from metrics.images import grey_of

PROBES = 4
"""Number of test tiles on which outputs are compared for other inputs, evenly spread."""
SAMPLE = 16
"""Number of test tiles on which the losses of both modes are measured, evenly spread."""
TILES_PER_PASS = 8


def fusion_losses(stack: Images | None, pairs: Pairs) -> tuple[list[float], list[float]]:
    """Return L_f (Eq. 15 of SegFANet) of every fused image, and of the average of its sources.

    Args:
        stack: the fused images as they are measured; None if there are none.
        pairs: the N test tiles, 11 pixels or more on a side.

    Returns:
        Σ (1 − SSIM) over both sources, from 0 to 4: N values, or none without images; N values.
    """
    losses: list[float] = []
    averages: list[float] = []
    for part in pairs.parts(TILES_PER_PASS):
        infrared, visible = (
            to_tensor(images(part), torch.device("cpu"))
            for images in (pairs.infrared, pairs.visible)
        )
        sources = SourceMoments(infrared), SourceMoments(visible)
        average = torch.from_numpy(quantise(((infrared + visible) / 2).numpy()))
        averages += _losses(average, sources)
        if stack is not None:
            grey = np.stack([grey_of(image) for image in stack.part(part)])
            losses += _losses(torch.from_numpy(grey)[:, None], sources)
    return losses, averages


def _losses(images: Tensor, sources: tuple[SourceMoments, ...]) -> list[float]:
    """Return L_f of each uint8 image (B, 1, H, W)."""
    maps = ssim_maps(images.to(torch.float32) / 255, sources)
    return torch.stack([1 - index.mean((1, 2, 3)) for index in maps]).sum(0).tolist()


def measure_network(
    method: Any,
    pairs: Pairs,
    *,
    classes: int,
    batch: int,
    device: torch.device,
    heartbeat: Heartbeat,
) -> dict[str, Any]:
    """Measure a trained method, a torch module in evaluation mode, on the test tiles.

    Args:
        method: the method on its device.
        pairs: the test tiles.
        classes: number of classes if the method segments, else 0.
        batch: number of tiles per pass of its training.
        device: the device of the method.
        heartbeat: called after every pass.

    Returns:
        Lists and numbers, which are NaN where nothing is defined. `response`, `finite`: see
        `response`. `terms`: mode (`eval`, `train`) → the means of the terms of `training_loss`.
        `failure`: why there are no terms in a mode; the key is missing if there are.
        `confusion`: (classes, classes) pixels by label and prediction. `reconstructed`:
        correlation of every IRM image with the infrared and with the visible image, mean over
        tiles.

    Raises:
        MethodFailure: if the method cannot fuse or segment the tiles.
    """
    followed, finite = response(method, pairs, device)
    found: dict[str, Any] = {"response": followed, "finite": finite, "terms": {}}
    heartbeat()
    for mode in ("eval", "train"):
        # A copy, because a pass in training mode leaves batch statistics behind. No graph of it
        # is needed, but a term may build one: that of a discriminator's slope does.
        module = copy.deepcopy(method).train(mode == "train").requires_grad_(False)
        try:
            found["terms"][mode] = mean_terms(module, pairs, batch, device)
        except MethodFailure as failure:
            # The contract does not promise a loss in evaluation mode, or on other sizes.
            found["failure"] = f"in {mode} mode: {failure}"
        heartbeat()
    if classes:
        found |= _segmented(method, pairs, classes, device, heartbeat)
    return found


def response(method: Method, pairs: Pairs, device: torch.device) -> tuple[float, bool]:
    """Measure how much the output changes where the inputs do.

    Each probe is fused as it is, and as its negative turned by half a circle.

    Returns:
        The mean change of the output, clamped to [0, 1], over that of the inputs: 0 if the output
        does not depend on them, NaN if no input changes. Whether all outputs are finite.
    """
    inside, outside, finite = 0.0, 0.0, True
    for index in evenly(len(pairs), PROBES):
        sources = _sources(pairs, slice(index, index + 1), device)
        others = [1 - source.flip(-1, -2) for source in sources]
        before, after = (
            call_fuse(method, *pair, what="other inputs") for pair in (sources, others)
        )
        finite &= bool(torch.isfinite(before).all() and torch.isfinite(after).all())
        outside += float((before.clamp(0, 1) - after.clamp(0, 1)).abs().mean())
        changes = [(a - b).abs().mean() for a, b in zip(sources, others, strict=True)]
        inside += float(torch.stack(changes).mean())
    return outside / inside if inside else math.nan, finite


def mean_terms(
    method: TrainableMethod, pairs: Pairs, batch: int, device: torch.device
) -> dict[str, float]:
    """Return the mean of every term of `training_loss` over `SAMPLE` tiles, `batch` per pass."""
    sums: dict[str, float] = {}
    parts = _of_one_size(pairs, evenly(len(pairs), SAMPLE), batch)
    for part in parts:
        tiles = [slice(index, index + 1) for index in part]
        several = [_sources(pairs, tile, device) for tile in tiles]
        infrared, visible = (torch.cat(images) for images in zip(*several, strict=True))
        label = torch.cat([_label(pairs, tile, device) for tile in tiles])
        with as_method_failure("training_loss on test tiles"):
            terms = method.training_loss(Batch(infrared, visible, label))
        for name, term in terms.items():
            sums[name] = sums.get(name, 0.0) + float(term.detach()) * len(part)
    return {name: total / sum(map(len, parts)) for name, total in sums.items()}


def _segmented(
    method: Callable[..., Any],
    pairs: Pairs,
    classes: int,
    device: torch.device,
    heartbeat: Heartbeat,
) -> dict[str, Any]:
    """Compare labels with predictions, and the images of the IRMs with the sources."""
    confusion = np.zeros((classes, classes), np.int64)
    correlations: list[NDArray[np.float64]] = []
    for part in pairs.parts(TILES_PER_PASS):
        sources = _sources(pairs, part, device)
        with as_method_failure("gives no segmentation"), torch.no_grad():
            output = method(*sources)
            predicted, images = output.logits.argmax(1), output.reconstructed
        confusion += _confusion(_label(pairs, part, device), predicted, classes)
        correlations += _correlations(images, sources) if images else []
        heartbeat()
    means = _nanmean(np.array(correlations)) if correlations else np.empty((0, 2))
    return {"confusion": confusion.tolist(), "reconstructed": means.tolist()}


def _confusion(label: Tensor, predicted: Tensor, classes: int) -> NDArray[np.int64]:
    known = label != IGNORE
    pairs = label[known] * classes + predicted[known]
    # Counted on the CPU, as `bincount` has no repeatable form on a GPU.
    counts = torch.bincount(pairs.cpu(), minlength=classes**2).reshape(classes, classes)
    return cast("NDArray[np.int64]", counts.numpy())


def _correlations(images: Sequence[Tensor], sources: list[Tensor]) -> list[NDArray[np.float64]]:
    """Return per tile (stages, 2): Pearson's correlation with the infrared and visible image."""
    height, width = images[0].shape[-2:]
    columns = []
    for source in sources:
        # A network may extend the images inside, by repeating their lower and right border.
        missing = (0, width - source.shape[-1], 0, height - source.shape[-2])
        whole = F.pad(source, missing, mode="replicate")
        small = [F.interpolate(whole, image.shape[-2:], mode="area") for image in images]
        columns.append(
            torch.stack([_pearson(a, b) for a, b in zip(images, small, strict=True)], dim=1)
        )
    return list(torch.stack(columns, dim=2).cpu().numpy().astype(np.float64))


def _pearson(a: Tensor, b: Tensor) -> Tensor:
    """Return the correlation of each pair of images (B, 1, h, w); NaN for a constant one."""
    a, b = (x.double().flatten(1) - x.double().mean((1, 2, 3))[:, None] for x in (a, b))
    return (a * b).sum(1) / (a.square().sum(1) * b.square().sum(1)).sqrt()


def _nanmean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of the defined values along the first axis."""
    defined = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(defined, values, 0.0).sum(0) / defined.sum(0))


def _sources(pairs: Pairs, part: slice, device: torch.device) -> list[Tensor]:
    return [to_tensor(images(part), device) for images in (pairs.infrared, pairs.visible)]


def _label(pairs: Pairs, part: slice, device: torch.device) -> Tensor:
    return torch.from_numpy(pairs.labels(part).astype(np.int64)).to(device)


def _of_one_size(pairs: Pairs, indices: list[int], count: int) -> list[list[int]]:
    """Group tiles of one size, at most `count` in a group, and fewer of large ones."""
    groups: list[list[int]] = []
    for index in indices:
        last = groups[-1] if groups else []
        most = min(count, max(1, count * USUAL_PIXELS // math.prod(pairs.sizes[index])))
        if last and len(last) < most and pairs.sizes[last[0]] == pairs.sizes[index]:
            last.append(index)
        else:
            groups.append([index])
    return groups
