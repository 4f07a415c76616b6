"""Full-size images in the layout of the real data sets, for the benchmarks."""

from pathlib import Path

import numpy as np
import rasterio

from harness.datasets.potsdam.adapter import PALETTE

POTSDAM = (6000, 6000)
WHU = (3704, 5556)
"""(height, width) of a scene, pixels."""


def _blocks(rng, bands, size, block):
    height, width = (-(-side // block) for side in size)
    coarse = rng.integers(0, 256, (bands, height, width), np.uint8)
    return coarse.repeat(block, 1).repeat(block, 2)[:, : size[0], : size[1]]


def aerial_image(rng, bands, size):
    """Return an image (bands, H, W) with structure and sensor noise, as aerial images have."""
    noise = rng.integers(0, 16, (bands, *size), np.uint8)
    return (_blocks(rng, bands, size, 12) // 2 + 60 + noise).astype(np.uint8)


def colour_labels(rng, size):
    """Return a label image (3, H, W) in the colours of Potsdam."""
    classes = _blocks(rng, 1, size, 40)[0] % len(PALETTE)
    return np.moveaxis(np.array(PALETTE, np.uint8)[classes], 2, 0)


def code_labels(rng, size):
    """Return a label image (1, H, W) in the codes of WHU-OPT-SAR."""
    return _blocks(rng, 1, size, 40) % 8 * 10


def write(path: Path, bands, **options):
    """Write a GeoTIFF."""
    count, height, width = bands.shape
    profile = {"driver": "GTiff", "count": count, "height": height, "width": width}
    with rasterio.open(path, "w", dtype=bands.dtype, **profile, **options) as file:
        file.write(bands)
