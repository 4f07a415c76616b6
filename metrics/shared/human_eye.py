"""What the two perceptual indices share: the stretch, and filters of the spectrum."""

import numpy as np

from .arrays import Image, Values


def stretch(image: Image) -> Image:
    """Stretch an image (H, W) that is not flat to whole levels from 0 to 255, halves rounded up."""
    low, high = image.min(), image.max()
    return np.asarray(np.floor((image - low) / (high - low) * 255 + 0.5))


def frequencies(height: int, width: int, degrees: float) -> Values:
    """Return the radial frequencies of the spectrum of a real image (H, W), in cycles per degree.

    They are (H, W // 2 + 1), as in `numpy.fft.rfft2`. The image is seen under an angle that makes
    `degrees` pixels per side one unit.
    """
    across, down = (_axis(side) * (side / degrees) for side in (width, height))
    return np.hypot(across[: width // 2 + 1], down[:, None])


def _axis(side: int) -> Values:
    return np.fft.ifftshift(2 * (np.arange(side) - side // 2) / side)


def filter_spectrum(image: Image, response: Values) -> Image:
    """Multiply the spectrum of an image (H, W) by a real, even response (H, W // 2 + 1)."""
    spectrum = np.fft.rfft2(image)
    spectrum *= response
    return np.asarray(np.fft.irfft2(spectrum, image.shape))
