"""The panels of the figures: images in colour, a marked region enlarged, feature maps."""

import matplotlib as mpl
import numpy as np
from PIL import Image

from harness.pixels import Bytes, Float, recompose
from harness.tiles.store import TileStore

YELLOW = (255, 212, 0)
ZOOM = 2
HEAT_SHARE = 0.55


def visible(store: TileStore, index: int) -> Bytes:
    """Return the visible image (H, W, 3)."""
    rgb: Bytes = store.test.rgb(slice(index, index + 1))[0]
    image: Bytes = np.moveaxis(rgb, 0, 2)
    return image


def infrared(store: TileStore, index: int) -> Bytes:
    """Return the infrared image in grey (H, W, 3)."""
    grey = store.test.infrared(slice(index, index + 1))[0]
    return np.repeat(grey[:, :, None], 3, axis=2)


def fused(store: TileStore, luma: Bytes, index: int) -> Bytes:
    """Give a fused luma (H, W) the colours of the visible image: (H, W, 3).

    An image that was measured in colour, (3, H, W), keeps its own.
    """
    if luma.ndim == 3:
        return np.ascontiguousarray(np.moveaxis(luma, 0, 2))
    rgb = store.test.rgb(slice(index, index + 1))
    colour = recompose(luma[None].astype(np.float32) / np.float32(255), rgb)[0]
    image: Bytes = (np.moveaxis(colour, 0, 2) * 255).astype(np.uint8)
    return image


def marked(panel: Bytes, window: tuple[int, int, int]) -> Bytes:
    """Copy an image, with a yellow box around the window, enlarged in the lower left corner.

    Args:
        panel: (H, W, 3).
        window: row, column and side of the square, pixels.
    """
    y, x, side = window
    result = panel.copy()
    part = panel[y : y + side, x : x + side].repeat(ZOOM, axis=0).repeat(ZOOM, axis=1)
    height = result.shape[0]
    _frame(result, y, x, side)
    result[height - len(part) :, : part.shape[1]] = part
    _frame(result, height - len(part), 0, len(part))
    return result


def _frame(panel: Bytes, y: int, x: int, side: int) -> None:
    width = max(side // 24, 2)
    box = panel[y : y + side, x : x + side]
    for edge in (box[:width], box[-width:], box[:, :width], box[:, -width:]):
        edge[:] = YELLOW


def own_range(values: Float) -> tuple[float, float]:
    """Return the 1st and 99th percentile of a map: outliers do not hide the structure."""
    low, high = np.percentile(values, [1, 99])
    return float(low), float(high)


def feature_map(values: Float, size: tuple[int, int]) -> Bytes:
    """Colour a map (h, w) within its own range and resize it: (height, width, 3).

    Args:
        values: the map; `own_range` gives the values of the darkest and the brightest colour.
        size: height and width of the result, pixels.
    """
    return _coloured(values, own_range(values), size, "viridis")


def heat_map(values: Float, background: Bytes) -> Bytes:
    """Draw attention weights (p, p), from the smallest to the largest, over an image (H, W, 3)."""
    limits = float(values.min()), float(values.max())
    heat = _coloured(values, limits, background.shape[:2], "inferno")
    mixed = HEAT_SHARE * heat + (1 - HEAT_SHARE) * background
    return np.rint(mixed).astype(np.uint8)


def _coloured(
    values: Float, limits: tuple[float, float], size: tuple[int, ...], name: str
) -> Bytes:
    low, high = limits
    unit = np.clip((values - low) / max(high - low, 1e-12), 0, 1).astype(np.float32)
    image = Image.fromarray(unit).resize((size[1], size[0]), Image.Resampling.BILINEAR)
    colours: Bytes = mpl.colormaps[name](np.asarray(image), bytes=True)[:, :, :3]
    return colours
