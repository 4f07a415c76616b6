"""Renders a made-up piece of town: a height field with materials, lit by one sun and the sky.

Objects are painted on a `Canvas` as materials with a height. Everything optical follows from
that one model: roof halves differ in brightness, crowns shade themselves, and shadows fall
across streets and roofs alike. Lengths are metres, x points right and y down, and the origin is
the centre of the picture.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Array = NDArray[np.floating[Any]]
Mask = NDArray[np.bool_]
Rng = np.random.Generator

IMPERVIOUS, BUILDING, LOW, TREE, CAR, CLUTTER = range(6)


class Material(NamedTuple):
    """Class, mean reflectance in red, green, blue, infrared, and relative texture contrast.

    `grain`, `stain` and `patch` are the standard deviations of texture of about 0.2 m, 0.7 m
    and 5 m.
    """

    label: int
    red: float
    green: float
    blue: float
    infrared: float
    grain: float = 0.06
    stain: float = 0.05
    patch: float = 0.05


# Plausible values inside the ranges that published spectral libraries give for such surfaces:
# asphalt 0.05-0.2 and rising slowly to the infrared, fired clay red and brighter still in the
# infrared, leaves dark in red with a chlorophyll edge to 0.4-0.6, clear water black in the
# infrared, car paint and plastic as pigmented. Urban surfaces are weathered, hence unsaturated.
MATERIALS = {
    "asphalt": Material(IMPERVIOUS, 0.118, 0.118, 0.113, 0.140, 0.10, 0.05, 0.07),
    "repair": Material(IMPERVIOUS, 0.075, 0.076, 0.076, 0.090, 0.09, 0.04, 0.03),
    "cobble": Material(IMPERVIOUS, 0.165, 0.158, 0.145, 0.195, 0.22, 0.07, 0.08),
    "paving": Material(IMPERVIOUS, 0.225, 0.215, 0.192, 0.275, 0.10, 0.07, 0.07),
    "brick": Material(IMPERVIOUS, 0.225, 0.160, 0.130, 0.290, 0.13, 0.06, 0.06),
    "concrete": Material(IMPERVIOUS, 0.260, 0.250, 0.228, 0.290, 0.06, 0.06, 0.06),
    "kerb": Material(IMPERVIOUS, 0.285, 0.278, 0.260, 0.310, 0.08, 0.06, 0.03),
    "marking": Material(IMPERVIOUS, 0.520, 0.515, 0.500, 0.510, 0.10, 0.12, 0.05),
    "iron": Material(IMPERVIOUS, 0.070, 0.066, 0.062, 0.080),
    "clay": Material(BUILDING, 0.275, 0.135, 0.085, 0.345, 0.09, 0.08, 0.07),
    "old clay": Material(BUILDING, 0.200, 0.118, 0.088, 0.265, 0.13, 0.13, 0.10),
    "brown tile": Material(BUILDING, 0.135, 0.103, 0.086, 0.200, 0.08, 0.07, 0.05),
    "slate": Material(BUILDING, 0.112, 0.114, 0.118, 0.140, 0.08, 0.08, 0.05),
    "bitumen": Material(BUILDING, 0.100, 0.100, 0.098, 0.120, 0.06, 0.10, 0.10),
    "gravel roof": Material(BUILDING, 0.205, 0.196, 0.178, 0.240, 0.14, 0.08, 0.10),
    "metal roof": Material(BUILDING, 0.285, 0.295, 0.295, 0.310, 0.03, 0.05, 0.05),
    "parapet": Material(BUILDING, 0.240, 0.235, 0.220, 0.265, 0.05, 0.08),
    "zinc": Material(BUILDING, 0.240, 0.250, 0.255, 0.255, 0.05, 0.08),
    "plaster": Material(BUILDING, 0.420, 0.405, 0.360, 0.450),
    "roof glass": Material(BUILDING, 0.085, 0.105, 0.125, 0.080),
    "solar": Material(BUILDING, 0.038, 0.044, 0.068, 0.062, 0.04, 0.03, 0.02),
    "lawn": Material(LOW, 0.086, 0.114, 0.056, 0.375, 0.13, 0.10, 0.09),
    "dry grass": Material(LOW, 0.190, 0.170, 0.108, 0.360, 0.14, 0.12, 0.08),
    "hedge": Material(LOW, 0.054, 0.079, 0.039, 0.380, 0.15, 0.15, 0.05),
    "bed": Material(LOW, 0.125, 0.102, 0.068, 0.310, 0.25, 0.25, 0.05),
    "leaf": Material(TREE, 0.058, 0.083, 0.039, 0.405, 0.14, 0.07, 0.05),
    "light leaf": Material(TREE, 0.088, 0.112, 0.048, 0.440, 0.14, 0.07, 0.05),
    "copper leaf": Material(TREE, 0.095, 0.066, 0.050, 0.420, 0.14, 0.07, 0.05),
    "conifer": Material(TREE, 0.038, 0.056, 0.034, 0.290, 0.14, 0.07, 0.05),
    "white paint": Material(CAR, 0.560, 0.560, 0.550, 0.560, 0.02, 0.02, 0.0),
    "silver paint": Material(CAR, 0.310, 0.315, 0.320, 0.320, 0.02, 0.02, 0.0),
    "grey paint": Material(CAR, 0.130, 0.135, 0.142, 0.140, 0.02, 0.02, 0.0),
    "black paint": Material(CAR, 0.035, 0.036, 0.040, 0.050, 0.02, 0.02, 0.0),
    "blue paint": Material(CAR, 0.050, 0.090, 0.220, 0.190, 0.02, 0.02, 0.0),
    "red paint": Material(CAR, 0.330, 0.050, 0.045, 0.420, 0.02, 0.02, 0.0),
    "green paint": Material(CAR, 0.060, 0.130, 0.100, 0.220, 0.02, 0.02, 0.0),
    "car glass": Material(CAR, 0.036, 0.044, 0.052, 0.040, 0.02, 0.02, 0.0),
    "soil": Material(CLUTTER, 0.215, 0.170, 0.120, 0.285, 0.16, 0.16, 0.12),
    "sand": Material(CLUTTER, 0.330, 0.285, 0.215, 0.390, 0.08, 0.08, 0.05),
    "ballast": Material(CLUTTER, 0.145, 0.130, 0.115, 0.170, 0.25, 0.08, 0.08),
    "rail": Material(CLUTTER, 0.420, 0.400, 0.380, 0.420),
    "sleeper": Material(CLUTTER, 0.235, 0.226, 0.206, 0.260, 0.10, 0.10),
    "water": Material(CLUTTER, 0.085, 0.225, 0.270, 0.015, 0.03, 0.07, 0.0),
    "timber": Material(CLUTTER, 0.290, 0.220, 0.145, 0.400, 0.15, 0.10),
    "blue steel": Material(CLUTTER, 0.060, 0.105, 0.215, 0.200, 0.04, 0.05),
    "rust steel": Material(CLUTTER, 0.260, 0.095, 0.060, 0.310, 0.05, 0.08),
    "grey steel": Material(CLUTTER, 0.300, 0.300, 0.290, 0.310, 0.04, 0.05),
    "green steel": Material(CLUTTER, 0.060, 0.120, 0.080, 0.190, 0.04, 0.05),
    "tarpaulin": Material(CLUTTER, 0.160, 0.250, 0.360, 0.420, 0.04, 0.10),
}
CODES = {name: code for code, name in enumerate(MATERIALS)}
LABELS = np.array([m.label for m in MATERIALS.values()], np.uint8)
REFLECTANCE = np.array([m[1:5] for m in MATERIALS.values()], np.float32)
CONTRAST = np.array([m[5:8] for m in MATERIALS.values()], np.float32)

# Share of the skylight in the light on open ground under a clear sky, and the haze between
# ground and camera as reflectance: both fall with wavelength, so shadows are bluish and
# darkest in the infrared.
SKY_SHARE = (0.20, 0.23, 0.28, 0.15)
HAZE = (0.020, 0.022, 0.027, 0.014)
# Leaves pass some sunlight on, most of all in the infrared.
LEAF_GLOW = (0.05, 0.09, 0.03, 0.30)

GAIN = (1.50, 1.58, 1.64, 1.09)
"""Digital exposure of each band: full scale is reached at a reflectance of 1 / gain."""
GAMMA = 1.30
"""Tone curve of the product: grey value = 255 x exposure ^ (1 / gamma)."""
PSF_SIGMA = (0.52, 0.50, 0.54, 0.66)
"""Blur in pixels: the infrared focuses a little behind the visible bands."""
SHOT_NOISE, READ_NOISE = 9e-5, 0.0022
"""Variance of the noise per unit of exposure, and its standard deviation in the dark."""


class Place(NamedTuple):
    """A rectangle on the ground: centre, direction of its u axis in radians, half sides."""

    x: float
    y: float
    angle: float
    half_u: float
    half_v: float

    def at(self, u: float, v: float, half_u: float, half_v: float, turn: float = 0.0) -> "Place":
        """Return a rectangle given in the frame of this one."""
        c, s = math.cos(self.angle), math.sin(self.angle)
        x, y = self.x + c * u - s * v, self.y + s * u + c * v
        return Place(x, y, self.angle + turn, half_u, half_v)

    def grown(self, margin: float) -> "Place":
        """Return the rectangle with `margin` metres more on every side."""
        return self._replace(half_u=self.half_u + margin, half_v=self.half_v + margin)


class Patch(NamedTuple):
    """The cells around a place: their window in the canvas and their local coordinates."""

    window: tuple[slice, slice]
    u: Array
    v: Array


def smooth_noise(rng: Rng, side: int, spacing: float) -> Array:
    """Return (side, side) noise, zero mean and unit variance, with features of `spacing` cells."""
    position = np.arange(side) / spacing
    first = position.astype(int)
    t = (position - first).astype(np.float32)[:, None]
    spline = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3)
    noise = rng.standard_normal((first[-1] + 4, first[-1] + 4), np.float32)
    # Sums of four, not a matrix product: that may differ between machines in the last digit.
    for _ in range(2):
        noise = sum(weight * noise[first + k] for k, weight in enumerate(spline)).T
    return np.ascontiguousarray(noise / (noise.std() + 1e-6), np.float32)


def cushions(rng: Rng, side: int, count: int) -> Array:
    """Return a (side, side) wrapping texture in [0, 1] of `count` x `count` domes side by side."""
    jitter = rng.uniform(0, 1, (2, count, count)).astype(np.float32)
    position = (np.arange(side, dtype=np.float32) + 0.5) * (count / side)
    cell = position.astype(int)
    nearest = np.full((side, side), 2.0, np.float32)
    for i in (-1, 0, 1):
        for j in (-1, 0, 1):
            at = np.ix_((cell + i) % count, (cell + j) % count)
            dy = (cell + i - position)[:, None] + jitter[0][at]
            dx = (cell + j - position)[None, :] + jitter[1][at]
            np.minimum(nearest, dy * dy + dx * dx, out=nearest)
    return np.asarray(1 - np.clip(nearest, 0, 1), np.float32)


class Canvas:
    """Material, reflectance (4, n, n) and height (n, n) in metres of a square piece of ground."""

    def __init__(self, n: int, cell: float, rng: Rng) -> None:
        """Cover the ground around the origin with `n` x `n` cells of `cell` metres of asphalt."""
        self.cell = cell
        self.side = n * cell
        self.axis = ((np.arange(n) - (n - 1) / 2) * cell).astype(np.float32)
        self.height = np.zeros((n, n), np.float32)
        self.material = np.full((n, n), CODES["asphalt"], np.uint8)
        self.reflectance = np.empty((4, n, n), np.float32)
        self.reflectance[:] = REFLECTANCE[CODES["asphalt"]][:, None, None]
        coarse = rng.standard_normal((n // 2 + 1, n // 2 + 1), np.float32)
        self.grain = coarse.repeat(2, axis=0).repeat(2, axis=1)[:n, :n]
        self.stain = smooth_noise(rng, n, 0.7 / cell)
        octaves = ((1.0, 7.0), (0.7, 3.1), (0.5, 1.4))
        clouds = sum(share * smooth_noise(rng, n, size / cell) for share, size in octaves)
        self.clouds = np.asarray(clouds / 1.32, np.float32)
        self.clumps = [cushions(rng, 384, round(384 * cell / size)) for size in (1.9, 1.2, 0.55)]

    def patch(self, place: Place) -> Patch:
        """Return the cells of the box around `place`, possibly none."""
        c, s = math.cos(place.angle), math.sin(place.angle)
        reach_x = abs(place.half_u * c) + abs(place.half_v * s)
        reach_y = abs(place.half_u * s) + abs(place.half_v * c)
        rows, cols = self._span(place.y, reach_y), self._span(place.x, reach_x)
        dy = (self.axis[rows] - np.float32(place.y))[:, None]
        dx = (self.axis[cols] - np.float32(place.x))[None, :]
        return Patch((rows, cols), c * dx + s * dy, c * dy - s * dx)

    def box(self, place: Place) -> tuple[Patch, Mask]:
        """Return the cells around `place`, and which lie inside its rectangle."""
        patch = self.patch(place)
        return patch, (np.abs(patch.u) < place.half_u) & (np.abs(patch.v) < place.half_v)

    def _span(self, centre: float, reach: float) -> slice:
        start, stop = np.searchsorted(self.axis, (centre - reach, centre + reach))
        return slice(int(start), int(stop))

    def paint(
        self,
        patch: Patch,
        mask: Mask,
        name: str,
        tint: Array | float = 1.0,
        height: Array | float | None = None,
    ) -> None:
        """Cover `mask` by a material, where it is higher than what stands there.

        `tint` scales the reflectance: a number, one value a band (4,), or one a cell (h, w).
        Without `height` the material lies on the surface found there, whatever its height.
        """
        window = patch.window
        if height is not None:
            mask = mask & (height > self.height[window])
            np.copyto(self.height[window], height, where=mask)
        tint = np.asarray(tint, np.float32)
        tint = tint[:, None, None] if tint.ndim == 1 else tint
        colour = REFLECTANCE[CODES[name]][:, None, None] * tint
        np.copyto(self.reflectance[(slice(None), *window)], colour, where=mask)
        self.material[window][mask] = CODES[name]

    def rectangle(
        self, place: Place, name: str, tint: Array | float = 1.0, height: float | None = None
    ) -> None:
        """Fill a rectangle; with `height` as a box of that height above the ground."""
        self.paint(*self.box(place), name, tint, height)

    def lay(self, place: Place, name: str, tint: Array | float = 1.0) -> None:
        """Cover a rectangle of the ground, but nothing that stands on it."""
        patch, inside = self.box(place)
        self.paint(patch, inside & (self.height[patch.window] < 0.3), name, tint)

    def is_clear(self, place: Place) -> bool:
        """Return whether nothing higher than a kerb stands in the box around `place`."""
        patch, inside = self.box(place)
        return not bool((self.height[patch.window][inside] > 0.5).any())

    def material_at(self, x: float, y: float) -> int:
        """Return the code of the material at a point, the nearest one beyond the border."""
        column, row = np.clip(np.searchsorted(self.axis, (x, y)), 0, len(self.axis) - 1)
        return int(self.material[row, column])

    def clump(self, rng: Rng, patch: Patch, size: int) -> Array:
        """Return a random cut of a cushion texture; `size` 0 is coarse (2 m), 2 fine (0.5 m)."""
        rows, cols = rng.integers(0, 384, 2)
        h, w = patch.u.shape
        texture = self.clumps[size]
        return texture[np.ix_((np.arange(h) + rows) % 384, (np.arange(w) + cols) % 384)]


def _shifted(field: Array, dy: int, dx: int) -> Array:
    """Return field[y + dy, x + dx], with 0 beyond the border."""
    out = np.zeros_like(field)
    h, w = field.shape
    target = (slice(max(0, -dy), min(h, h - dy)), slice(max(0, -dx), min(w, w - dx)))
    source = (slice(max(0, dy), min(h, h + dy)), slice(max(0, dx), min(w, w + dx)))
    out[target] = field[source]
    return out


def sunlit(height: Array, cell: float, sun: tuple[float, float, float]) -> Array:
    """Return the share (h, w) of the sun that each cell sees past everything on the way.

    The horizon towards the sun is a running maximum along the ray, built by doubling its reach.
    """
    sx, sy, sz = sun
    flat = math.hypot(sx, sy)
    drop = sz / flat * cell
    horizon = _shifted(height, round(1.5 * sy / flat), round(1.5 * sx / flat)) - 1.5 * drop
    reach = 1
    while reach * drop < 24.0:
        far = _shifted(horizon, round(reach * sy / flat), round(reach * sx / flat))
        np.maximum(horizon, far - reach * drop, out=horizon)
        reach *= 2
    return np.clip(1.0 - (horizon - height - 0.10) / 0.25, 0, 1)


def _slope(height: Array, axis: int, cell: float) -> Array:
    """Return the derivative, blind to walls: the flatter side counts at every step."""
    step = np.diff(height, axis=axis) / cell
    pad = [(0, 0), (0, 0)]
    pad[axis] = (1, 0)
    before = np.pad(step, pad)
    pad[axis] = (0, 1)
    after = np.pad(step, pad)
    flatter = np.where(np.abs(before) < np.abs(after), before, after)
    return np.where(before * after > 0, flatter, 0).astype(np.float32)


def _facing(height: Array, cell: float, sun: tuple[float, float, float]) -> Array:
    """Return the sunlight on the slope of each cell (h, w), relative to that on flat ground."""
    slope_x, slope_y = _slope(height, 1, cell), _slope(height, 0, cell)
    facing = sun[2] - slope_x * sun[0] - slope_y * sun[1]
    return np.clip(facing / (sun[2] * np.sqrt(1 + slope_x**2 + slope_y**2)), 0.0, 1.6)


def _sky_view(height: Array, cell: float) -> Array:
    """Return how much sky each cell (h, w) sees, from how far its surroundings rise above it."""
    around = height
    for _ in range(2):
        around = ndimage.uniform_filter(around, 2 * int(1.2 / cell) + 1)
    return np.clip(1 - (around - height) / 9.0, 0.35, 1.08)


def _albedo(canvas: Canvas) -> Array:
    """Return the reflectance (4, n, n) with the texture of each material."""
    grain, stain, patch = np.moveaxis(CONTRAST[canvas.material], -1, 0)
    texture = grain * canvas.grain + stain * canvas.stain + patch * canvas.clouds
    albedo: Array = canvas.reflectance * np.exp(texture)
    return albedo


def radiance(canvas: Canvas, azimuth: float, elevation: float) -> Array:
    """Return (4, n, n) light towards the camera, as the reflectance of lit open ground.

    `azimuth` (clockwise from up) and `elevation` of the sun are in radians.
    """
    height, cell = canvas.height, canvas.cell
    flat = math.cos(elevation)
    sun = (flat * math.sin(azimuth), -flat * math.cos(azimuth), math.sin(elevation))
    direct = _facing(height, cell, sun) * sunlit(height, cell, sun)
    sky = _sky_view(height, cell)
    leafy = LABELS[canvas.material] == TREE
    light = _albedo(canvas)
    for band, share in enumerate(SKY_SHARE):
        through = np.where(leafy, np.maximum(direct, LEAF_GLOW[band]), direct)
        light[band] *= (1 - share) * through + share * sky
        light[band] += HAZE[band]
    return light


def photograph(light: Array, factor: int, rng: Rng) -> NDArray[np.uint8]:
    """Return the uint8 picture (4, n / factor, n / factor) that the camera takes of `light`."""
    n = light.shape[1] // factor
    picture = np.empty((4, n, n), np.uint8)
    for band in range(4):
        blurred = ndimage.gaussian_filter(light[band], PSF_SIGMA[band] * factor, truncate=3.0)
        exposed = GAIN[band] * blurred.reshape(n, factor, n, factor).mean(axis=(1, 3))
        noise = rng.standard_normal((n, n), np.float32)
        exposed += noise * np.sqrt(SHOT_NOISE * exposed + READ_NOISE**2)
        picture[band] = np.rint(255 * np.clip(exposed, 0, 1) ** (1 / GAMMA))
    return picture


def majority(labels: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """Return the most frequent of six labels in every `factor` x `factor` block."""
    n = labels.shape[0] // factor
    blocks = labels.reshape(n, factor, n, factor)
    votes = np.stack([(blocks == label).sum(axis=(1, 3)) for label in range(6)])
    return np.asarray(votes.argmax(axis=0), np.uint8)
