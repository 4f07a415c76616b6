"""BT.601 luma, and putting a fused luma back into the visible picture's colours."""

import numpy as np
from numpy.typing import NDArray


def luma(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return BT.601 luma of uint8 (..., 3, H, W) as uint8 (..., H, W), 0-255.

    The weights 299, 587, 114 sum to 1000, so the weighted sum is exact and only the last
    rounding (to nearest, ties to even) is left.
    """
    red, green, blue = (rgb[..., band, :, :].astype(np.uint32) for band in range(3))
    return np.rint((299 * red + 587 * green + 114 * blue) / 1000).astype(np.uint8)


def recompose(fused: NDArray[np.float32], rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Give a fused luma the chroma of the visible picture.

    Args:
        fused: (N, H, W) float32 luma in [0, 1].
        rgb: (N, 3, H, W) uint8 visible picture whose Cb and Cr (BT.601, full range) are kept.

    Returns:
        (N, 3, H, W) float32 RGB clipped to [0, 1].
    """
    visible = rgb.astype(np.float32) / np.float32(255)
    weights = np.array([0.299, 0.587, 0.114], np.float32)
    # With Cb and Cr kept, every channel moves by the change of luma alone.
    change = fused - np.einsum("c,nchw->nhw", weights, visible)
    recomposed: NDArray[np.float32] = np.clip(visible + change[:, None], 0.0, 1.0)
    return recomposed
