"""Pixels of the figures: colour, the marked region with its enlargement, feature maps."""

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness.pixels import recompose
from harness.tiles.store import TileStore

Picture = NDArray[np.uint8]
Map = NDArray[np.float32]
YELLOW = (255, 212, 0)
ZOOM = 2
HEAT_SHARE = 0.55


def visible(store: TileStore, index: int) -> Picture:
    """The visible picture (H, W, 3)."""
    rgb: Picture = store.test.rgb(slice(index, index + 1))[0]
    picture: Picture = np.moveaxis(rgb, 0, 2)
    return picture


def infrared(store: TileStore, index: int) -> Picture:
    """The infrared picture in gray (H, W, 3)."""
    return _gray(store.test.infrared(slice(index, index + 1))[0])


def fused(store: TileStore, luma: Picture, index: int) -> Picture:
    """A fused luma (H, W) in the visible picture's colours (H, W, 3)."""
    rgb = store.test.rgb(slice(index, index + 1))
    colour = recompose(luma[None].astype(np.float32) / np.float32(255), rgb)[0]
    picture: Picture = (np.moveaxis(colour, 0, 2) * 255).astype(np.uint8)
    return picture


def _gray(picture: Picture) -> Picture:
    return np.repeat(picture[:, :, None], 3, axis=2)


def marked(picture: Picture, window: tuple[int, int, int]) -> Picture:
    """A copy with a yellow box around the window and its enlargement in the lower left."""
    y, x, side = window
    result = picture.copy()
    part = picture[y : y + side, x : x + side].repeat(ZOOM, axis=0).repeat(ZOOM, axis=1)
    height = result.shape[0]
    _frame(result, y, x, side)
    result[height - len(part) :, : part.shape[1]] = part
    _frame(result, height - len(part), 0, len(part))
    return result


def _frame(picture: Picture, y: int, x: int, side: int) -> None:
    width = max(side // 24, 2)
    box = picture[y : y + side, x : x + side]
    for edge in (box[:width], box[-width:], box[:, :width], box[:, -width:]):
        edge[:] = YELLOW


def common_range(maps: list[Map]) -> tuple[float, float]:
    """1st and 99th percentile of all maps together: one normalisation for a whole figure."""
    values = np.concatenate([m.ravel() for m in maps])
    low, high = np.percentile(values, [1, 99])
    return float(low), float(high)


def feature_map(values: Map, limits: tuple[float, float], size: tuple[int, int]) -> Picture:
    """A map (h, w) in colours, resized to (height, width)."""
    return _coloured(_resized(_unit(values, limits), size), "viridis")


def heat_map(values: Map, background: Picture) -> Picture:
    """Attention weights (p, p) as heat over a picture (H, W, 3), smallest to largest weight."""
    limits = float(values.min()), float(values.max())
    heat = _coloured(_resized(_unit(values, limits), background.shape[:2]), "inferno")
    mixed = HEAT_SHARE * heat + (1 - HEAT_SHARE) * background
    return np.rint(mixed).astype(np.uint8)


def _unit(values: Map, limits: tuple[float, float]) -> Map:
    low, high = limits
    unit: Map = np.clip((values - low) / max(high - low, 1e-12), 0, 1).astype(np.float32)
    return unit


def _resized(values: Map, size: tuple[int, int]) -> Map:
    image = Image.fromarray(values).resize((size[1], size[0]), Image.Resampling.BILINEAR)
    return np.asarray(image)


def _coloured(values: Map, name: str) -> Picture:
    colours: Picture = mpl.colormaps[name](values, bytes=True)[:, :, :3]
    return colours
