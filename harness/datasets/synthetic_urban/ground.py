"""Pieces of ground of the made-up town: convex polygons, and the surfaces that cover them."""

import math

import numpy as np
from numpy.typing import NDArray

from harness.datasets.synthetic_urban.objects import hue
from harness.datasets.synthetic_urban.scene import (
    CODES,
    REFLECTANCE,
    Array,
    Canvas,
    Mask,
    Patch,
    Place,
    Rng,
)

Polygon = NDArray[np.float64]
"""Corners (n, 2) as x, y in metres, in the order that turns the x axis into the y axis."""


def cut(polygon: Polygon, point: Polygon, normal: Polygon) -> Polygon:
    """Return the part of a convex polygon on the side of a line that `normal` points to."""
    side = (polygon - point) @ normal
    corners = []
    for i, here in enumerate(side):
        j = (i + 1) % len(side)
        if here >= 0:
            corners.append(polygon[i])
        if (here >= 0) != (side[j] >= 0):
            t = here / (here - side[j])
            corners.append(polygon[i] + t * (polygon[j] - polygon[i]))
    return np.array(corners).reshape(-1, 2)


def sides(polygon: Polygon) -> list[Place]:
    """Return a place for each side: u runs along it, v points inward from it."""
    out = []
    for a, b in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        (x, y), (dx, dy) = ((a + b) / 2).tolist(), b - a
        out.append(Place(x, y, math.atan2(dy, dx), math.hypot(dx, dy) / 2, 0.0))
    return out


def front(polygon: Polygon) -> Place:
    """Return the longest side."""
    return max(sides(polygon), key=lambda side: side.half_u)


def inset(polygon: Polygon, margin: float) -> Polygon:
    """Return a convex polygon with every side moved inward, a point if nothing is left."""
    out = polygon
    for side in sides(polygon):
        inward = np.array((-math.sin(side.angle), math.cos(side.angle)))
        out = cut(out, np.array((side.x, side.y)) + margin * inward, inward)
    return out if len(out) > 2 else polygon.mean(axis=0, keepdims=True)


def area(polygon: Polygon) -> float:
    """Return the area of a polygon in square metres."""
    x, y = polygon.T
    return 0.5 * float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) if len(polygon) else 0.0


def contains(polygon: Polygon, place: Place) -> bool:
    """Return whether all corners of `place` lie inside a convex polygon."""
    for side in sides(polygon):
        nx, ny = -math.sin(side.angle), math.cos(side.angle)
        depth = (place.x - side.x) * nx + (place.y - side.y) * ny
        turn = place.angle - side.angle
        if depth < abs(place.half_u * math.sin(turn)) + abs(place.half_v * math.cos(turn)):
            return False
    return True


def halves(lot: Polygon, at: float) -> list[Polygon]:
    """Cut a lot in two across its longest side, `at` of the way along it."""
    longest = front(lot)
    point = longest.at((2 * at - 1) * longest.half_u, 0, 0, 0)
    along = np.array((math.cos(longest.angle), math.sin(longest.angle)))
    return [cut(lot, np.array((point.x, point.y)), sign * along) for sign in (-1, 1)]


def scatter(rng: Rng, polygon: Polygon, count: int) -> list[Polygon]:
    """Return up to `count` random points inside a convex polygon."""
    points = rng.uniform(polygon.min(axis=0), polygon.max(axis=0), (count, 2))
    return [p for p in points if contains(polygon, Place(p[0], p[1], 0, 0, 0))]


def region(canvas: Canvas, polygon: Polygon, corner: float) -> tuple[Patch, Array]:
    """Return the cells around a convex polygon and their depth inside it, corners rounded."""
    low, high = polygon.min(axis=0), polygon.max(axis=0)
    (x, y), (half_x, half_y) = ((low + high) / 2).tolist(), (high - low) / 2
    patch = canvas.patch(Place(x, y, 0.0, half_x, half_y))
    total = np.zeros(np.broadcast_shapes(patch.u.shape, patch.v.shape), np.float32)
    for side in sides(polygon):
        c, s = math.cos(side.angle), math.sin(side.angle)
        depth = (patch.v + (y - side.y)) * c - (patch.u + (x - side.x)) * s
        total += np.exp(np.clip(-depth / corner, -40, 40))
    return patch, -corner * np.log(total + 1e-9)


def filled(canvas: Canvas, polygon: Polygon, margin: float = 0.0) -> tuple[Patch, Mask]:
    """Return the cells around a convex polygon, and which lie inside by more than `margin`."""
    patch, depth = region(canvas, polygon, 1.2)
    return patch, depth > margin


def flags(
    canvas: Canvas, rng: Rng, polygon: Polygon, name: str, margin: float, size: float
) -> None:
    """Pave a polygon, less a margin, with flags of `size` metres that differ a little."""
    patch, inside = filled(canvas, polygon, margin)
    angle = front(polygon).angle
    u = patch.u * math.cos(angle) + patch.v * math.sin(angle)
    v = patch.v * math.cos(angle) - patch.u * math.sin(angle)
    row, column = (v / size).astype(np.int32) % 97, (u / size).astype(np.int32) % 89
    shade = rng.normal(1, 0.07, (97, 89)).astype(np.float32)[row, column]
    joint = (u % size < 0.09) | (v % size < 0.09)
    canvas.paint(patch, inside, name, hue(rng, 0.08)[:, None, None] * shade * (1 - 0.1 * joint))


def meadow(canvas: Canvas, rng: Rng, polygon: Polygon, mown: bool = False) -> None:
    """Grow grass with dry spots and, if mown, the stripes of the mower."""
    patch, depth = region(canvas, polygon, 0.6)
    window = patch.window
    dryness = canvas.clouds[window] + 0.5 * canvas.stain[window] - rng.uniform(0.5, 2.0)
    dry = 1 / (1 + np.exp(-2.5 * dryness))
    ratio = REFLECTANCE[CODES["dry grass"]] / REFLECTANCE[CODES["lawn"]]
    tint = hue(rng, 0.08)[:, None, None] * (1 + dry * (ratio[:, None, None] - 1))
    if mown:
        angle = front(polygon).angle
        across = patch.v * math.cos(angle) - patch.u * math.sin(angle)
        tint = tint * (1 + 0.06 * np.sign(np.sin(across * (math.tau / 2.4))))
    canvas.paint(patch, depth > 0, "lawn", tint)
