"""Cut the shipped Landsat-7 image out of the published one; README.md has the details.

`python harness/datasets/landsat7/cut_landsat7.py landsat.tif landsat7_great_salt_lake.tif`
"""

import sys
from pathlib import Path

import rasterio

ORIGINAL = ("B3", "B2", "B1", "B4", "B5")
MEANING = ("red", "green", "blue", "near infrared", "short-wave infrared")


def cut(source: Path, target: Path) -> None:
    """Write the five bands, bit for bit, with lossless compression."""
    with rasterio.open(source) as original:
        bands = original.read([original.descriptions.index(name) + 1 for name in ORIGINAL])
        profile = {
            "driver": "GTiff",
            "height": original.height,
            "width": original.width,
            "count": len(bands),
            "dtype": "uint8",
            "crs": original.crs,
            "transform": original.transform,
            "compress": "deflate",
            "zlevel": 9,
            "predictor": 2,
            "tiled": True,
            "blockxsize": 512,
            "blockysize": 512,
            "interleave": "pixel",
        }
    with rasterio.open(target, "w", **profile) as result:
        result.write(bands)
        for index, (name, meaning) in enumerate(zip(ORIGINAL, MEANING, strict=True), 1):
            result.set_band_description(index, f"{name} {meaning}")


if __name__ == "__main__":
    cut(Path(sys.argv[1]), Path(sys.argv[2]))
