"""Second implementations of metrics, written from their descriptions with scipy and plain loops."""

import math
from collections import Counter

import numpy as np
from scipy import fft, ndimage, signal

from metrics.fmi_w import MEYER


def ce(f, a, b):
    def divergence(source):
        p, q = Counter(source.ravel().tolist()), Counter(f.ravel().tolist())
        return sum(n / f.size * math.log2(n / q[level]) for level, n in p.items() if level in q)

    return (divergence(a) + divergence(b)) / 2


def ei(f, a, b):
    return np.mean(np.hypot(*(ndimage.sobel(f, axis, mode="nearest") for axis in (0, 1))))


def rmse(f, a, b):
    return sum(np.linalg.norm(f - source) / math.sqrt(f.size) for source in (a, b)) / 2


def stretched(image):
    low, high = image.min(), image.max()
    return np.array([[math.floor((x - low) / (high - low) * 255 + 0.5) for x in r] for r in image])


def centred_radius(shape, degrees):
    rows, columns = ([(2 * (k - n // 2) / n) * n / degrees for k in range(n)] for n in shape)
    return np.array([[math.hypot(u, v) for u in columns] for v in rows])


def seen(image, response):
    return fft.ifft2(fft.ifftshift(fft.fftshift(fft.fft2(image)) * response)).real


def window(size, sigma):
    half = size // 2
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    return np.exp(-(x**2 + y**2) / (2 * sigma**2))


def qcb(f, a, b):
    r = centred_radius(f.shape, 30)
    response = np.exp(-((r / 15.387) ** 2)) - 0.7622 * np.exp(-((r / 1.3456) ** 2))

    def contrast(image):
        filtered = seen(stretched(image), response)
        fine, coarse = (
            signal.convolve2d(filtered, window(31, s) / (2 * math.pi * s**2), "same")
            for s in (2, 4)
        )
        c = np.abs(fine / coarse - 1)
        return c**3 / (c**2 + 0.0001)

    cf, ca, cb = contrast(f), contrast(a), contrast(b)
    share = ca**2 / (ca**2 + cb**2)
    kept = [np.minimum(c, cf) / np.maximum(c, cf) for c in (ca, cb)]
    return np.mean(share * kept[0] + (1 - share) * kept[1])


def qcv(f, a, b):
    r = centred_radius(f.shape, 8)
    response = 2.6 * (0.0192 + 0.144 * r) * np.exp(-((0.144 * r) ** 1.1))
    f, a, b = map(stretched, (f, a, b))
    above = below = 0.0
    for source in (a, b):
        slopes = [ndimage.sobel(source.astype(float), axis, mode="constant") for axis in (0, 1)]
        strength = np.hypot(*slopes) ** 5
        power = seen(source - f, response) ** 2
        for top in range(0, f.shape[0], 16):
            for left in range(0, f.shape[1], 16):
                block = np.s_[top : top + 16, left : left + 16]
                weight = strength[block].sum()
                above += weight * power[block].sum() / 256
                below += weight
    return above / below


def qy(f, a, b):
    weights = window(7, 1.5) / window(7, 1.5).sum()
    total = count = 0
    for top in range(f.shape[0] - 6):
        for left in range(f.shape[1] - 6):
            x, y, z = (m[top : top + 7, left : left + 7] for m in (f, a, b))

            def moments(p, q):
                mp, mq = (weights * p).sum(), (weights * q).sum()
                return mp, mq, (weights * (p - mp) * (q - mq)).sum()

            def ssim(p, q):
                mp, mq, shared = moments(p, q)
                structure = 2 * shared / (moments(p, p)[2] + moments(q, q)[2])
                return 2 * mp * mq / (mp**2 + mq**2) * structure

            va, vb = moments(y, y)[2], moments(z, z)[2]
            share, sa, sb = va / (va + vb), ssim(y, x), ssim(z, x)
            total += share * sa + (1 - share) * sb if ssim(y, z) >= 0.75 else max(sa, sb)
            count += 1
    return total / count


def ncie(f, a, b):
    def information(x, y):
        joint = np.histogram2d(x.ravel(), y.ravel(), bins=256, range=[[-0.5, 255.5]] * 2)[0]
        joint /= joint.sum()
        apart = np.outer(joint.sum(1), joint.sum(0))
        used = joint > 0
        return (joint[used] * np.log(joint[used] / apart[used])).sum() / math.log(256)

    fa, fb, ab = information(f, a), information(f, b), information(a, b)
    values = np.roots(np.poly(np.array([[1, fa, fb], [fa, 1, ab], [fb, ab, 1]]))).real / 3
    return 1 + sum(v * math.log(v, 256) for v in values if v > 0)


def sf_diagonal(f, a, b):
    height, width = f.shape
    total = 0.0
    for y in range(height):
        for x in range(width):
            for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
                if y + dy < height and 0 <= x + dx < width:
                    step = (f[y + dy, x + dx] - f[y, x]) ** 2
                    total += step / math.hypot(dy, dx)
    return math.sqrt(total / f.size)


def window_information(x, y):
    """Compare two 3×3 windows as Haghighat's program does, with numbers instead of arrays."""
    if np.array_equal(x, y):
        return 1.0
    shares = []
    for values in (x.T.ravel(), y.T.ravel()):
        spread = values.max() - values.min()
        scaled = (values - values.min()) / spread if spread else np.ones(9)
        shares.append(scaled / scaled.sum())
    p, q = shares
    correlation = np.corrcoef(p, q)[0, 1] if p.std() and q.std() else 0.0

    def bound(i, j):
        above, below = p[: i + 1].sum(), q[: j + 1].sum()
        if correlation >= 0:
            return min(above, below)
        return max(above + below - 1, 0.0)

    grid = [(i, j) for i in range(9) for j in range(9)]
    covariance = sum(bound(i, j) - p[: i + 1].sum() * q[: j + 1].sum() for i, j in grid)
    powers = [[sum(s * k**n for k, s in enumerate(r)) for n in (1, 2)] for r in (p, q)]
    spreads = [math.sqrt(max(second - first**2, 0)) for first, second in powers]
    weight = correlation * math.prod(spreads) / covariance if covariance else 0.0

    def corner(i, j):
        return bound(i, j) if i >= 0 and j >= 0 else 0.0

    def entropy(numbers):
        return -sum(n * math.log2(abs(n)) for n in numbers if n)

    joint = [
        weight * (corner(i, j) - corner(i - 1, j) - corner(i, j - 1) + corner(i - 1, j - 1))
        + (1 - weight) * p[i] * q[j]
        for i, j in grid
    ]
    apart = entropy(p) + entropy(q)
    return 2 * (apart - entropy(joint)) / apart if apart else float(np.array_equal(p, q))


def fmi_pixel(f, a, b):
    height, width = f.shape
    corners = [np.s_[y : y + 3, x : x + 3] for y in range(height - 2) for x in range(width - 2)]
    return np.mean([window_information(s[c], f[c]) for c in corners for s in (a, b)])


def fmi_dct(f, a, b):
    return fmi_pixel(*(fft.dctn(image, norm="ortho") for image in (f, a, b)))


def fmi_w(f, a, b):
    """Transform by the definition of the filter bank: mirrored borders, every other sample."""
    low = {k: MEYER[abs(k)] for k in range(-30, 31)}
    # The high pass is the low pass in alternating signs, one sample earlier.
    high = {k - 1: -((-1) ** k) * tap for k, tap in low.items()}

    def band(signal_, taps):
        mirror = [*signal_, *signal_[::-1]]
        count = (len(signal_) + 61) // 2
        return [
            sum(tap * mirror[(2 * k - 30 - shift) % len(mirror)] for shift, tap in taps.items())
            for k in range(count)
        ]

    def transform(image):
        bands = [
            [
                np.apply_along_axis(band, 1, np.apply_along_axis(band, 0, image, down), across)
                for down in (low, high)
            ]
            for across in (low, high)
        ]
        return np.block(bands)

    return fmi_pixel(*map(transform, (f, a, b)))
