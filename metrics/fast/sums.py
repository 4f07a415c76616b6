"""Compiled sums over whole images, for SF, AG and SCD, and over blocks, for MS-SSIM."""

import numpy as np
from numpy.typing import NDArray

from ..shared.arrays import Batch
from ..shared.moments import MID_GREY
from .compiler import compiled


@compiled
def texture(image: Batch) -> tuple[float, float, float]:
    """Sum the squared row and column differences and the gradient magnitudes of (H, W)."""
    height, width = image.shape
    across = down = slope = 0.0
    for i in range(height):
        row = image[i]
        above, below = image[max(i - 1, 0)], image[min(i + 1, height - 1)]
        step = 0.5 if 0 < i < height - 1 else 1.0
        for j in range(width - 1):
            across += (np.float64(row[j + 1]) - row[j]) ** 2
        for j in range(width):
            down += (np.float64(below[j]) - row[j]) ** 2
        for j in range(1, width - 1):
            gx = 0.5 * (np.float64(row[j + 1]) - row[j - 1])
            gy = step * (np.float64(below[j]) - above[j])
            slope += np.sqrt(0.5 * (gx * gx + gy * gy))
        for edge, left, right in ((0, 0, 1), (width - 1, width - 2, width - 1)):
            gx = np.float64(row[right]) - row[left]
            gy = step * (np.float64(below[edge]) - above[edge])
            slope += np.sqrt(0.5 * (gx * gx + gy * gy))
    return across, down, slope


@compiled
def source_products(a: Batch, b: Batch) -> tuple[float, float, float, float, float]:
    """Sum a, b, a², b² and a·b over two images (H, W).

    Mid-grey counts as 0. This changes no correlation and keeps sums over 8-bit images exact.
    """
    first = second = first_square = second_square = product = 0.0
    for i in range(a.shape[0]):
        u, v = a[i], b[i]
        for j in range(a.shape[1]):
            x, y = u[j] - MID_GREY, v[j] - MID_GREY
            first += x
            second += y
            first_square += x * x
            second_square += y * y
            product += x * y
    return first, second, first_square, second_square, product


@compiled
def fused_products(f: Batch, a: Batch, b: Batch) -> tuple[float, float, float, float]:
    """Sum f, f², f·a and f·b over three images (H, W), with mid-grey as 0."""
    plain = square = first = second = 0.0
    for i in range(f.shape[0]):
        u, v, w = f[i], a[i], b[i]
        for j in range(f.shape[1]):
            value = u[j] - MID_GREY
            plain += value
            square += value * value
            first += value * (v[j] - MID_GREY)
            second += value * (w[j] - MID_GREY)
    return plain, square, first, second


@compiled
def halved(images: Batch) -> NDArray[np.float64]:
    """Compute the means of 2×2 pixels of images (n, H, W), as `metrics.ms_ssim` does."""
    count, height, width = images.shape
    out = np.empty((count, height // 2, width // 2))
    for index in range(count):
        for i in range(height // 2):
            upper, lower, row = images[index, 2 * i], images[index, 2 * i + 1], out[index, i]
            for j in range(width // 2):
                left = np.float64(upper[2 * j]) + lower[2 * j]
                row[j] = (left + (np.float64(upper[2 * j + 1]) + lower[2 * j + 1])) / 4.0
    return out
