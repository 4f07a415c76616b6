"""A made-up German town in the style of ISPRS Potsdam, with exact labels and no download."""

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.datasets.base import Dataset, Scene
from harness.datasets.urban_scene import (
    CODES,
    LABELS,
    REFLECTANCE,
    Array,
    Canvas,
    Patch,
    Place,
    Rng,
    majority,
    photograph,
    radiance,
)
from harness.errors import HarnessError

CARS = ("white", "silver", "grey", "black", "blue", "red", "green")
CAR_SHARES = (0.21, 0.20, 0.24, 0.18, 0.09, 0.06, 0.02)
PITCHED = ("clay", "old clay", "brown tile", "slate")
FLAT = ("bitumen", "gravel roof", "metal roof")


def hue(rng: Rng, amount: float) -> Array:
    """Return a random tint (4,): brightness varies by `amount`, single bands by a third of it."""
    return np.exp(rng.normal(0, amount) + rng.normal(0, amount / 3, 4)).astype(np.float32)


def house(canvas: Canvas, rng: Rng, place: Place, eaves: float, kind: str, name: str) -> None:
    """Put up a house with a "gable", "hip" or "flat" roof of the named material."""
    if kind == "flat":
        flat_roof(canvas, rng, place, eaves, name)
        return
    tint = hue(rng, 0.12)
    pitch = math.tan(rng.uniform(0.55, 0.85))
    patch = canvas.patch(place)
    inward = place.half_v - np.abs(patch.v)
    if kind == "hip":
        inward = np.minimum(inward, place.half_u - np.abs(patch.u))
    inside = (inward > 0) & (np.abs(patch.u) < place.half_u)
    courses = 1 - 0.13 * (inward % 0.42 < 0.14) - 0.05 * (patch.u % 0.6 < 0.1)
    tint_cells = (courses * rng.normal(1, 0.03)).astype(np.float32)
    roof = eaves + inward * pitch
    canvas.paint(patch, inside, name, tint_cells[None] * tint[:, None, None], roof)
    top = eaves + place.half_v * pitch
    ridge = inside & (np.abs(patch.v) < 0.14) & (roof > top - 0.3)
    canvas.paint(patch, ridge & (canvas.height[patch.window] <= roof + 0.01), name, 1.25 * tint)
    gutter = inside & (place.half_v - np.abs(patch.v) < 0.16)
    canvas.paint(patch, gutter & (canvas.height[patch.window] <= roof + 0.01), "zinc")
    furnish_roof(canvas, rng, place, eaves, pitch, name)


def furnish_roof(
    canvas: Canvas, rng: Rng, place: Place, eaves: float, pitch: float, name: str
) -> None:
    """Add chimneys, dormers, skylights or solar panels to a pitched roof."""
    long, deep = place.half_u - 2.2, place.half_v
    top = eaves + deep * pitch
    for _ in range(rng.integers(1, 3)):
        spot = place.at(rng.uniform(-long, long), rng.uniform(-0.8, 0.8), 0.45, 0.32)
        canvas.rectangle(spot, rng.choice(("clay", "plaster", "zinc")), 0.8, top + 0.9)
        canvas.rectangle(spot.grown(-0.14), "bitumen", 0.3)
    for side in (-1, 1):
        style = rng.choice(("plain", "windows", "dormers", "solar"), p=(0.25, 0.35, 0.28, 0.12))
        if style == "solar" and deep > 3:
            solar_panels(canvas, rng, place, side)
            continue
        count = 0 if style == "plain" else int(long / 1.7)
        for u in np.linspace(-long, long, count) if count > 1 else ():
            if rng.random() < 0.2:
                continue
            if style == "dormers" and deep > 3.5:
                dormer(canvas, place.at(u, side * deep * 0.55, 0.85, deep * 0.27), name, top - 0.6)
            else:
                spot = place.at(u, side * deep * rng.uniform(0.4, 0.6), 0.42, 0.6)
                canvas.rectangle(spot.grown(0.1), "zinc", 0.8)
                canvas.rectangle(spot, "roof glass", rng.uniform(0.5, 1.6))


def dormer(canvas: Canvas, place: Place, name: str, top: float) -> None:
    """Add a small gabled roof that stands out of a slope, its ridge along v."""
    patch = canvas.patch(place)
    inside = (np.abs(patch.u) < place.half_u) & (np.abs(patch.v) < place.half_v)
    canvas.paint(patch, inside, name, 0.92, top - 0.55 * np.abs(patch.u))


def solar_panels(canvas: Canvas, rng: Rng, place: Place, side: int) -> None:
    """Cover part of a slope with a framed grid of panels."""
    half_u = rng.uniform(0.35, 0.85) * (place.half_u - 1)
    array = place.at(rng.uniform(-0.1, 0.1), side * place.half_v * 0.52, half_u, 0.3 * place.half_v)
    patch = canvas.patch(array)
    inside = (np.abs(patch.u) < half_u) & (np.abs(patch.v) < array.half_v)
    frame = ((patch.u + half_u) % 1.1 < 0.1) | ((patch.v + array.half_v) % 1.7 < 0.1)
    canvas.paint(patch, inside, "solar")
    canvas.paint(patch, inside & frame, "zinc", 0.5)


def flat_roof(canvas: Canvas, rng: Rng, place: Place, top: float, name: str) -> None:
    """Put up a box with a parapet, seams, and the machines that stand on flat roofs."""
    tint = hue(rng, 0.15)
    canvas.rectangle(place, "parapet", tint, top + 0.35)
    inner = place.grown(-0.35)
    patch = canvas.patch(inner)
    inside = (np.abs(patch.u) < inner.half_u) & (np.abs(patch.v) < inner.half_v)
    inside &= canvas.height[patch.window] < top + 0.4
    seam = (patch.u % 1.6 < 0.1) if name != "gravel roof" else np.zeros_like(inside)
    shade = np.where(seam, 0.82, 1).astype(np.float32)
    canvas.height[patch.window][inside] = top
    canvas.paint(patch, inside, name, shade[None] * tint[:, None, None])
    for _ in range(int(inner.half_u * inner.half_v / 14)):
        spot = inner.at(
            *rng.uniform(-0.8, 0.8, 2) * (inner.half_u, inner.half_v), *rng.uniform(0.4, 1.3, 2)
        )
        canvas.rectangle(spot, rng.choice(("zinc", "plaster", "roof glass")), 0.8, top + 0.7)
        canvas.rectangle(spot.grown(-0.2), rng.choice(("zinc", "bitumen")), 0.7)


def tree(canvas: Canvas, rng: Rng, x: float, y: float, radius: float) -> None:
    """Grow a tree: a dome of leaf clumps with a ragged outline."""
    name = rng.choice(("leaf", "light leaf", "copper leaf", "conifer"), p=(0.62, 0.23, 0.03, 0.12))
    top = radius * rng.uniform(1.7, 2.4) if name != "conifer" else radius * rng.uniform(2.6, 3.4)
    place = Place(x, y, rng.uniform(0, math.tau), radius * 1.15, radius * rng.uniform(1.0, 1.15))
    patch = canvas.patch(place)
    coarse = canvas.clump(rng, patch, 0 if radius > 3 else 1)
    fine = canvas.clump(rng, patch, 2)
    away = np.hypot(patch.u / place.half_u, patch.v / place.half_v)
    lobes = 0.6 * coarse + 0.4 * canvas.clump(rng, patch, 1)
    dome = 1.25 - (away * 1.12) ** 2 - 0.75 * (1 - lobes) * (0.4 + away)
    bulk = np.sqrt(np.clip(dome, 0, 1))
    if name == "conifer":
        bulk = np.clip(1.05 - away - 0.25 * (1 - lobes), 0, 1)
    height = 0.3 * top + bulk * 0.7 * top + 0.5 * fine
    deep = (0.55 + 0.35 * lobes + 0.25 * fine).astype(np.float32)
    tint = hue(rng, 0.13)[:, None, None] * deep
    canvas.paint(patch, (bulk > 0.12) & (fine > 0.12), name, tint, height)


def shrubs(canvas: Canvas, rng: Rng, place: Place, top: float) -> None:
    """Grow a hedge or a bed of shrubs in a rectangle."""
    patch = canvas.patch(place)
    lobes = canvas.clump(rng, patch, 1) * 0.6 + canvas.clump(rng, patch, 2) * 0.4
    edge = np.minimum(place.half_u - np.abs(patch.u), place.half_v - np.abs(patch.v))
    tint = hue(rng, 0.12)[:, None, None] * (0.6 + 0.6 * lobes)
    canvas.paint(patch, edge > 0.3 * (1 - lobes), "hedge", tint, top * (0.5 + 0.5 * lobes))


def car(canvas: Canvas, rng: Rng, x: float, y: float, angle: float) -> None:
    """Park a car or, now and then, a van that heads along `angle`."""
    van = rng.random() < 0.1
    half_u, half_v = (2.6, 0.98) if van else (rng.uniform(1.9, 2.35), rng.uniform(0.84, 0.92))
    paint = f"{rng.choice(CARS, p=CAR_SHARES)} paint"
    tint = hue(rng, 0.12)
    place = Place(x, y, angle + rng.normal(0, 0.02), half_u, half_v)
    patch = canvas.patch(place)
    u, v = patch.u / half_u, np.abs(patch.v) / half_v
    body = np.abs(u) ** 5 + v**5 < 1
    canvas.paint(patch, body, paint, tint, 0.85 - 0.12 * u**4)
    front, back = (0.62, -0.97) if van else (0.30, -0.78)
    cabin = body & (u < front) & (u > back) & (v < 0.88)
    canvas.paint(patch, cabin, "car glass", 1.0, 1.25)
    roof = (u < front - 0.26 - 0.06 * v**2) & (u > back + (0.05 if van else 0.22)) & (v < 0.72)
    canvas.paint(patch, cabin & roof, paint, 1.06 * tint, 2.0 if van else 1.45)
    canvas.paint(patch, body & (np.abs(u) > 0.95) & (v > 0.55), "silver paint", 0.8)


def container(canvas: Canvas, rng: Rng, place: Place, top: float = 2.5) -> None:
    """Set down a ribbed steel container."""
    patch = canvas.patch(place)
    inside = (np.abs(patch.u) < place.half_u) & (np.abs(patch.v) < place.half_v)
    name = rng.choice(("blue steel", "rust steel", "grey steel", "green steel"))
    ribs = np.where(patch.u % 0.5 < 0.2, 0.8, 1.0).astype(np.float32)
    canvas.paint(patch, inside, name, ribs * hue(rng, 0.15)[:, None, None], top)


def heap(canvas: Canvas, rng: Rng, x: float, y: float, radius: float, name: str) -> None:
    """Pour a heap of soil, sand or rubble."""
    place = Place(x, y, rng.uniform(0, math.pi), radius, radius * rng.uniform(0.6, 1))
    patch = canvas.patch(place)
    away = np.hypot(patch.u / place.half_u, patch.v / place.half_v)
    away += 0.12 * canvas.stain[patch.window]
    height = 0.45 * radius * np.clip(1 - away, 0, 1) + 0.12 * canvas.clump(rng, patch, 2)
    canvas.paint(patch, away < 1, name, hue(rng, 0.1), height + 0.05)


Polygon = NDArray[np.float64]
"""Corners (n, 2) as x, y in metres, counter-clockwise for y pointing up."""


class Street(NamedTuple):
    """A straight street: its end points (x, y) and the width between the kerbs."""

    start: Polygon
    end: Polygon
    width: float


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


def edges(polygon: Polygon) -> list[tuple[Place, float]]:
    """Return a place for each side (u along it, v pointing inward from it) and its length."""
    out = []
    for a, b in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        length = float(np.hypot(*(b - a)))
        angle = math.atan2(b[1] - a[1], b[0] - a[0])
        middle = (a + b) / 2
        out.append((Place(middle[0], middle[1], angle, length / 2, 0.0), length))
    return out


def inset(polygon: Polygon, margin: float) -> Polygon:
    """Return a convex polygon with every side moved inward by `margin`."""
    out = polygon
    for side, _ in edges(polygon):
        inward = np.array((-math.sin(side.angle), math.cos(side.angle)))
        out = cut(out, np.array((side.x, side.y)) + margin * inward, inward)
    return out


def area(polygon: Polygon) -> float:
    """Return the area of a polygon in square metres."""
    x, y = polygon.T
    return 0.5 * float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) if len(polygon) else 0.0


def contains(polygon: Polygon, place: Place) -> bool:
    """Return whether all corners of `place` lie inside a convex polygon."""
    for side, _ in edges(polygon):
        nx, ny = -math.sin(side.angle), math.cos(side.angle)
        depth = (place.x - side.x) * nx + (place.y - side.y) * ny
        turn = place.angle - side.angle
        if depth < abs(place.half_u * math.sin(turn)) + abs(place.half_v * math.cos(turn)):
            return False
    return True


def region(canvas: Canvas, polygon: Polygon, corner: float) -> tuple[Patch, Array]:
    """Return the cells around a convex polygon and their depth inside it, corners rounded."""
    low, high = polygon.min(axis=0), polygon.max(axis=0)
    middle, half = (low + high) / 2, (high - low) / 2
    patch = canvas.patch(Place(middle[0], middle[1], 0.0, half[0], half[1]))
    total = np.zeros(np.broadcast_shapes(patch.u.shape, patch.v.shape), np.float32)
    for side, _ in edges(polygon):
        c, s = math.cos(side.angle), math.sin(side.angle)
        depth = (patch.v + middle[1] - side.y) * c - (patch.u + middle[0] - side.x) * s
        total += np.exp(np.clip(-depth / corner, -40, 40))
    return patch, -corner * np.log(total + 1e-9)


def scatter(rng: Rng, polygon: Polygon, count: int) -> list[Polygon]:
    """Return up to `count` random points inside a convex polygon."""
    points = rng.uniform(polygon.min(axis=0), polygon.max(axis=0), (count, 2))
    return [p for p in points if contains(polygon, Place(p[0], p[1], 0, 0, 0))]


def split(rng: Rng, polygon: Polygon, depth: int, streets: list[Street]) -> list[Polygon]:
    """Divide ground into blocks by streets, collected in `streets`, the widest first."""
    if area(polygon) < rng.uniform(2000, 4200):
        return [polygon]
    longest = max(edges(polygon), key=lambda e: e[1])[0]
    angle = longest.angle + math.pi / 2 + rng.normal(0, 0.09)
    point = np.array((longest.x, longest.y)) + rng.normal(0, 0.06) * longest.half_u
    if depth == 0:
        point = rng.uniform(-9, 9, 2)
    width = (12.0, 8.5, 7.0)[min(depth, 2)] * rng.uniform(0.9, 1.1)
    along, across = (
        np.array((math.cos(angle), math.sin(angle))),
        (-math.sin(angle), math.cos(angle)),
    )
    normal = np.array(across)
    ends = cut(cut(polygon, point - 0.01 * normal, normal), point + 0.01 * normal, -normal)
    order = ends[np.argsort(ends @ along)]
    streets.append(Street(order[0], order[-1], width))
    halves = [cut(polygon, point + sign * width / 2 * normal, sign * normal) for sign in (-1, 1)]
    return [block for half in halves for block in split(rng, half, depth + 1, streets)]


def street(canvas: Canvas, rng: Rng, road: Street) -> None:
    """Pave a street: surface, wear, repairs, manholes, markings and cars."""
    middle, run = (road.start + road.end) / 2, road.end - road.start
    length = float(np.hypot(*run))
    place = Place(*middle, math.atan2(run[1], run[0]), length / 2 + 0.2, road.width / 2)
    patch = canvas.patch(place)
    inside = (np.abs(patch.u) < place.half_u) & (np.abs(patch.v) < place.half_v)
    cobbled = road.width < 9.5 and rng.random() < 0.3
    wear = 1 + 0.05 * np.cos(patch.v * (4 * math.pi / road.width))
    if cobbled:
        wear = wear * (0.7 + 0.4 * canvas.clump(rng, patch, 2))
    tint = hue(rng, 0.08)[:, None, None] * wear
    canvas.paint(patch, inside, "cobble" if cobbled else "asphalt", tint)
    for _ in range(int(length / 14)):
        spot = place.at(rng.uniform(-length, length) / 2, rng.uniform(-0.3, 0.3) * road.width, 0, 0)
        if not cobbled:
            canvas.rectangle(spot.at(0, 0, rng.uniform(0.6, 4), rng.uniform(0.4, 1.2)), "repair")
        canvas.rectangle(spot.at(rng.uniform(3, 9), 0, 0.32, 0.32), "iron")
    if not cobbled:
        markings(canvas, place)
    traffic(canvas, rng, place)


def markings(canvas: Canvas, place: Place) -> None:
    """Draw the centre line, kerb-side gutter and, on main roads, zebra crossings."""
    for u in np.arange(-place.half_u + 6, place.half_u - 6, 6.0):
        canvas.rectangle(place.at(u, 0, 1.5, 0.075), "marking")
    if place.half_v > 5:
        for v in np.arange(-place.half_v + 0.6, place.half_v - 0.5, 1.0):
            canvas.rectangle(place.at(3.5 - place.half_u * 0.6, v, 1.7, 0.25), "marking")


def traffic(canvas: Canvas, rng: Rng, place: Place) -> None:
    """Park cars along both kerbs and let a few drive."""
    for side in (-1, 1):
        u = 5.0 - place.half_u
        while u < place.half_u - 5:
            if rng.random() < 0.5:
                spot = place.at(u, side * (place.half_v - 1.05), 0, 0)
                car(canvas, rng, spot.x, spot.y, spot.angle + math.pi * (side > 0))
            u += rng.uniform(5.2, 7.5)
        if rng.random() < 0.7:
            spot = place.at(rng.uniform(-0.8, 0.8) * place.half_u, side * place.half_v * 0.28, 0, 0)
            car(canvas, rng, spot.x, spot.y, spot.angle + math.pi * (side > 0))


def pavement(canvas: Canvas, rng: Rng, block: Polygon) -> Polygon:
    """Surround a block by kerb and sidewalk with street trees; return the lot inside."""
    patch, depth = region(canvas, block, 1.4)
    tint = hue(rng, 0.08)
    canvas.paint(patch, depth > 0, "kerb", tint)
    canvas.paint(patch, depth > 0.22, str(rng.choice(("paving", "brick", "paving"))), tint)
    lot = inset(block, rng.uniform(2.2, 3.2))
    if rng.random() < 0.6:
        for side, length in edges(inset(block, 1.0)):
            for u in np.arange(4 - length / 2, length / 2 - 4, rng.uniform(8, 13)):
                spot = side.at(u + rng.normal(0, 0.5), 0, 0.7, 0.7)
                if rng.random() < 0.7:
                    canvas.rectangle(spot, "bed")
                    tree(canvas, rng, spot.x, spot.y, rng.uniform(1.6, 3.2))
    return lot


def meadow(canvas: Canvas, rng: Rng, polygon: Polygon, mown: bool = False) -> None:
    """Grow grass with dry spots and, if mown, the stripes of the mower."""
    patch, depth = region(canvas, polygon, 0.6)
    window = patch.window
    dryness = canvas.clouds[window] + 0.5 * canvas.stain[window] - rng.uniform(0.2, 1.8)
    dry = 1 / (1 + np.exp(-2.5 * dryness))
    ratio = REFLECTANCE[CODES["dry grass"]] / REFLECTANCE[CODES["lawn"]]
    tint = hue(rng, 0.08)[:, None, None] * (1 + dry * (ratio[:, None, None] - 1))
    if mown:
        angle = edges(polygon)[0][0].angle
        across = patch.v * math.cos(angle) - patch.u * math.sin(angle)
        tint = tint * (1 + 0.06 * np.sign(np.sin(across * (math.tau / 2.4))))
    canvas.paint(patch, depth > 0, "lawn", tint)


def plant(canvas: Canvas, rng: Rng, polygon: Polygon, count: int, largest: float = 5.0) -> None:
    """Plant trees of mixed size where no house stands."""
    for x, y in scatter(rng, polygon, count):
        radius = rng.uniform(1.2, 2.6) + rng.beta(1.2, 3) * (largest - 1.5)
        if canvas.is_clear(Place(x, y, 0, 0.6 * radius, 0.6 * radius)):
            tree(canvas, rng, x, y, radius)


def litter(canvas: Canvas, rng: Rng, polygon: Polygon, count: int) -> None:
    """Leave the small things of yards: pools, trampolines, bins, sheets, stacks of wood."""
    for x, y in scatter(rng, polygon, count):
        place = Place(x, y, rng.uniform(0, math.pi), rng.uniform(1, 2), rng.uniform(0.7, 1.5))
        if not canvas.is_clear(place.grown(1)):
            continue
        kind = rng.integers(5)
        if kind == 0:
            pool(canvas, rng, place.grown(0.7))
        elif kind == 1:
            canvas.rectangle(place, "tarpaulin", hue(rng, 0.3), 0.6)
        elif kind == 2:
            container(canvas, rng, place.at(0, 0, 0.9, 0.5), 1.3)
        elif kind == 3:
            canvas.rectangle(place.grown(-0.2), "timber", hue(rng, 0.2), 1.0)
        else:
            canvas.rectangle(place.grown(0.5), "soil", hue(rng, 0.2))


def pool(canvas: Canvas, rng: Rng, place: Place) -> None:
    """Dig a swimming pool with a stone rim."""
    canvas.rectangle(place.grown(0.5), "concrete", hue(rng, 0.1))
    canvas.rectangle(place, "water", hue(rng, 0.1))


def parking(canvas: Canvas, rng: Rng, place: Place, full: float) -> None:
    """Lay out a car park: rows of bays along u, an aisle between two rows."""
    canvas.rectangle(place, "asphalt", hue(rng, 0.1))
    rows = [-1, 1] if place.half_v > 6.5 else [1]
    for row in rows:
        v = row * (place.half_v - 2.5)
        for u in np.arange(-place.half_u + 1.3, place.half_u - 1, 2.6):
            bay = place.at(u, v, 1.3, 2.5)
            canvas.rectangle(bay.at(-1.3, 0, 0.05, 2.4), "marking", 0.8)
            if rng.random() < full:
                spot = bay.at(*rng.normal(0, 0.12, 2), 0, 0)
                car(canvas, rng, spot.x, spot.y, bay.angle + math.pi * rng.choice((0.5, 1.5)))


def villas(canvas: Canvas, rng: Rng, lot: Polygon) -> None:
    """Build detached houses along the streets with gardens behind."""
    meadow(canvas, rng, lot)
    for side, length in edges(lot):
        count = int(length / rng.uniform(15, 19))
        for i in range(count):
            u = (i + 0.5) * length / count - length / 2
            villa(canvas, rng, lot, side.at(u, 0, length / count / 2, 0))
    litter(canvas, rng, inset(lot, 3), int(area(lot) / 80))
    plant(canvas, rng, inset(lot, 2), int(area(lot) / 38), 5.5)


def villa(canvas: Canvas, rng: Rng, lot: Polygon, front: Place) -> None:
    """Build one house with hedge, path, drive, garage and terrace, if there is room."""
    half_u, half_v = rng.uniform(4.2, min(6.2, front.half_u - 2.4)), rng.uniform(4.0, 5.4)
    spot = front.at(-1.2, rng.uniform(3, 5.5) + half_v, half_u, half_v)
    if not (contains(lot, spot) and canvas.is_clear(spot.grown(1.5))):
        return
    if rng.random() < 0.35:
        spot = spot._replace(angle=spot.angle + math.pi / 2)
    drive = front.at(front.half_u - 1.7, 6.0, 1.4, 6.0)
    canvas.rectangle(drive, rng.choice(("paving", "brick", "concrete")), hue(rng, 0.1))
    canvas.rectangle(front.at(-1.2, 2.5, 0.7, 2.5), "paving", hue(rng, 0.1))
    terrace = spot.at(0, half_v + 1, half_u * 0.6, 2.2)
    canvas.rectangle(terrace, rng.choice(("paving", "concrete")), hue(rng, 0.1))
    house(canvas, rng, spot, rng.uniform(3.5, 6), rng.choice(("gable", "hip")), rng.choice(PITCHED))
    garage = drive.at(0, 8.5, 1.7, 2.9)
    if rng.random() < 0.6 and contains(lot, garage) and canvas.is_clear(garage):
        flat_roof(canvas, rng, garage, 2.6, "bitumen")
    if rng.random() < 0.6:
        at = drive.at(0, rng.uniform(-2, 1), 0, 0)
        car(canvas, rng, at.x, at.y, drive.angle + math.pi / 2)
    if rng.random() < 0.7:
        shrubs(canvas, rng, front.at(-1.8, 0.6, front.half_u - 1.8, 0.55), 1.4)
    if rng.random() < 0.7:
        shrubs(canvas, rng, front.at(-front.half_u, 10, 0.5, 9.5), 1.7)


def court(canvas: Canvas, rng: Rng, lot: Polygon) -> None:
    """Close the block with town houses around a yard."""
    lot = inset(lot, 0.2)
    canvas.paint(*_filled(canvas, lot), "paving", hue(rng, 0.12))
    depth = rng.uniform(9.5, 12)
    yard = inset(lot, depth)
    if area(yard) > 150:
        meadow(canvas, rng, inset(yard, rng.uniform(1, 5)))
    eaves = rng.uniform(8, 11.5)
    for side, length in edges(lot):
        ends = np.cumsum(rng.uniform(11, 19, 9))
        ends = np.append(ends[ends < length - 8], length) - length / 2
        begin = -length / 2
        for end in ends:
            spot = side.at((begin + end) / 2, depth / 2, (end - begin) / 2, depth / 2)
            begin = end
            if rng.random() < 0.92 and length > 9:
                kind, name = ("gable", PITCHED) if rng.random() < 0.8 else ("flat", FLAT)
                house(canvas, rng, spot, eaves + rng.normal(0, 0.6), kind, rng.choice(name))
    if area(yard) > 60:
        furnish_yard(canvas, rng, yard)


def furnish_yard(canvas: Canvas, rng: Rng, yard: Polygon) -> None:
    """Fill a yard with a rear building, parked cars, bins and trees."""
    longest = max(edges(yard), key=lambda e: e[1])[0]
    rear = longest.at(0, 9, rng.uniform(5, 9), 4)
    if contains(yard, rear.grown(2)):
        house(canvas, rng, rear, rng.uniform(3, 7), "flat", rng.choice(FLAT))
    bays = longest.at(0, 3.0, min(longest.half_u - 2, rng.uniform(6, 14)), 3.0)
    if longest.half_u > 5 and contains(yard, bays):
        parking(canvas, rng, bays, 0.7)
    litter(canvas, rng, yard, int(area(yard) / 30))
    plant(canvas, rng, yard, int(area(yard) / 35), 4.5)


def _filled(canvas: Canvas, polygon: Polygon) -> tuple[Patch, NDArray[np.bool_]]:
    patch, depth = region(canvas, polygon, 0.3)
    return patch, depth > 0


def slabs(canvas: Canvas, rng: Rng, lot: Polygon) -> None:
    """Set apartment slabs in rows on a lawn with paths, trees and a car park."""
    meadow(canvas, rng, lot, mown=True)
    longest = max(edges(lot), key=lambda e: e[1])[0]
    kind, name = ("flat", rng.choice(FLAT)) if rng.random() < 0.5 else ("hip", rng.choice(PITCHED))
    eaves = rng.uniform(9, 13)
    bays = longest.at(0, 3.2, longest.half_u * rng.uniform(0.6, 0.9), 3.2)
    if contains(lot, bays):
        parking(canvas, rng, bays, 0.75)
    for v in np.arange(15.0, 90.0, rng.uniform(20, 24)):
        for half in (21.0, 17.0, 13.0, 9.0):
            spot = longest.at(rng.uniform(-4, 4), v, half, 5.5)
            if contains(lot, spot.grown(1.5)):
                canvas.rectangle(spot.at(0, 7.2, half + 1.5, 0.9), "concrete")
                canvas.rectangle(spot.at(half - 5, -7.5, 0.8, 3), "concrete")
                house(canvas, rng, spot, eaves, kind, name)
                break
    litter(canvas, rng, inset(lot, 2), int(area(lot) / 250))
    plant(canvas, rng, inset(lot, 2), int(area(lot) / 50), 6.0)


def commerce(canvas: Canvas, rng: Rng, lot: Polygon) -> None:
    """Place a hall with a flat roof beside a large car park."""
    canvas.paint(*_filled(canvas, lot), rng.choice(("asphalt", "paving")), hue(rng, 0.1))
    longest = max(edges(lot), key=lambda e: e[1])[0]
    back = 0.0
    for half_u, half_v in ((22, 12), (17, 11), (14, 9), (10, 7), (7, 5)):
        hall = longest.at(0, half_v + 1.5, half_u, half_v)
        if contains(lot, hall):
            flat_roof(canvas, rng, hall, rng.uniform(5, 8), rng.choice(FLAT))
            back = 2 * half_v + 4
            break
    for v in np.arange(back + 8.5, 80, 17.5):
        for half_u in (24, 18, 12, 7):
            bays = longest.at(0, v, half_u, 8.2)
            if contains(lot, bays):
                parking(canvas, rng, bays, rng.uniform(0.4, 0.8))
                break
    for x, y in scatter(rng, inset(lot, 3), 5):
        box = Place(x, y, longest.angle + rng.choice((0, math.pi / 2)), 3.0, 1.2)
        if canvas.is_clear(box.grown(0.3)):
            container(canvas, rng, box)
    plant(canvas, rng, lot, int(area(lot) / 90), 3.5)


def park(canvas: Canvas, rng: Rng, lot: Polygon) -> None:
    """Leave a lot green: winding path, old trees, a playground."""
    meadow(canvas, rng, lot, mown=rng.random() < 0.4)
    longest = max(edges(lot), key=lambda e: e[1])[0]
    patch, depth = region(canvas, lot, 1.0)
    along = (patch.u * math.cos(longest.angle) + patch.v * math.sin(longest.angle)) / 9
    bend = 4 * np.sin(along + rng.uniform(0, math.tau)) + rng.uniform(8, 16)
    path = np.abs(depth - 0.6 * bend) < 1.0 + 0.12 * canvas.stain[patch.window]
    canvas.paint(patch, path & (depth > 0), "brick", 1.15 * hue(rng, 0.08))
    for x, y in scatter(rng, inset(lot, 9), 3)[:1]:
        play = Place(x, y, longest.angle, rng.uniform(4, 7), rng.uniform(3, 5))
        canvas.rectangle(play, "sand", hue(rng, 0.06))
        canvas.rectangle(play.at(0, 0, 1.5, 0.8), "timber", 1.0, 1.6)
        canvas.rectangle(play.at(2.5, 1.0, 0.7, 0.7), "rust steel", 1.0, 1.2)
    plant(canvas, rng, inset(lot, 1), int(area(lot) / 26), 7.0)


def site(canvas: Canvas, rng: Rng, lot: Polygon) -> None:
    """Open a building site, or lay a few sidings if the lot is a railway yard."""
    rails = rng.random() < 0.4
    patch, inside = _filled(canvas, lot)
    canvas.paint(patch, inside, "ballast" if rails else "soil", hue(rng, 0.1))
    longest = max(edges(lot), key=lambda e: e[1])[0]
    if rails:
        for v in (3.5, 8.0, 12.5):
            track(canvas, longest.at(0, v, longest.half_u, 1.3), patch, inside)
    else:
        for v in rng.uniform(2, 16, 4):
            rut = longest.at(0, v, longest.half_u, 0.3, rng.normal(0, 0.1))
            canvas.rectangle(rut, "soil", 0.78)
    for x, y in scatter(rng, inset(lot, 2.5), int(area(lot) / 45)):
        box = Place(x, y, longest.angle + rng.choice((0, math.pi / 2)), 3.0, 1.2)
        if canvas.is_clear(box.grown(0.5)):
            equip(canvas, rng, box)
    plant(canvas, rng, lot, int(area(lot) / 140), 3.0)


def equip(canvas: Canvas, rng: Rng, box: Place) -> None:
    """Put a container, a heap or building material on the ground."""
    kind = rng.integers(4)
    if kind == 0:
        container(canvas, rng, box)
    elif kind == 1:
        heap(canvas, rng, box.x, box.y, rng.uniform(1.5, 3.5), rng.choice(("sand", "soil")))
    elif kind == 2:
        canvas.rectangle(box.grown(-0.5), "timber", hue(rng, 0.2), 0.9)
    else:
        for v in np.arange(-1.0, 1.1, 0.5):
            canvas.rectangle(box.at(0, v, 2.5, 0.18), "grey steel", hue(rng, 0.1), 0.5)


def track(canvas: Canvas, place: Place, ground: Patch, inside: NDArray[np.bool_]) -> None:
    """Lay sleepers and two rails along u."""
    for u in np.arange(-place.half_u, place.half_u, 0.65):
        canvas.rectangle(place.at(u, 0, 0.14, 1.25), "sleeper")
    for v in (-0.72, 0.72):
        canvas.rectangle(place.at(0, v, place.half_u, 0.06), "rail")


USES = (villas, court, slabs, commerce, park, site)
USE_SHARES = (0.30, 0.27, 0.15, 0.10, 0.09, 0.09)


def build_town(canvas: Canvas, rng: Rng, side: float) -> None:
    """Fill the canvas with streets and blocks of different use."""
    turn = rng.uniform(0, math.pi / 2)
    c, s = math.cos(turn), math.sin(turn)
    corners = np.array(((-1, -1), (1, -1), (1, 1), (-1, 1))) * side * 0.75
    streets: list[Street] = []
    blocks = split(rng, corners @ np.array(((c, s), (-s, c))), 0, streets)
    for road in streets:
        street(canvas, rng, road)
    for block in blocks:
        if np.abs(block).min(axis=0).max() > side / 2 + 20 and not contains(
            block, Place(0, 0, 0, 0, 0)
        ):
            continue
        lot = pavement(canvas, rng, block)
        if area(lot) > 100:
            USES[rng.choice(len(USES), p=USE_SHARES)](canvas, rng, lot)


GROUND_SAMPLE = 0.16
SMALLEST_SIDE = 48.0
"""Metres a pixel, and metres a scene at least: small pictures show the town coarser."""
FINEST_CELL = 0.08
MARGIN = 14.0
"""Metres around the picture whose objects throw shadows into it."""
CLASSES = ("impervious surfaces", "building", "low vegetation", "tree", "car", "clutter")
PALETTE = (
    (255, 255, 255),
    (0, 0, 255),
    (0, 255, 255),
    (0, 255, 0),
    (255, 255, 0),
    (255, 0, 0),
)
SPLITS = ("train", "test")
LEAST = {"train_scenes": 1, "test_scenes": 1, "size": 41, "seed": 0}
DEFAULTS = {"train_scenes": 4, "test_scenes": 2, "size": 640, "seed": 0}


@lru_cache(maxsize=4)
def render(seed: int, split: str, index: int, size: int) -> NDArray[np.uint8]:
    """Return scene `index` of a split: uint8 (5, size, size) R, G, B, NIR, label; read-only."""
    rng = np.random.default_rng(np.random.SeedSequence((seed, SPLITS.index(split), index)))
    sample = max(GROUND_SAMPLE, SMALLEST_SIDE / size)
    factor = max(2, round(sample / FINEST_CELL))
    cell = sample / factor
    edge = math.ceil(MARGIN / cell)
    side = (size * factor + 2 * edge) * cell
    canvas = Canvas(side - cell / 2, cell, rng)
    build_town(canvas, rng, side)
    light = radiance(canvas, math.radians(rng.uniform(120, 240)), math.radians(rng.uniform(40, 54)))
    core = slice(edge, -edge)
    picture = np.empty((5, size, size), np.uint8)
    picture[:4] = photograph(light[:, core, core], factor, rng)
    picture[4] = majority(LABELS[canvas.material[core, core]], factor)
    picture.setflags(write=False)
    return picture


def _scene(seed: int, split: str, index: int, size: int) -> Scene:
    def read(y: int, x: int, height: int, width: int) -> NDArray[np.uint8]:
        return render(seed, split, index, size)[:, y : y + height, x : x + width].copy()

    return Scene(f"{split}_{index:02d}", split, size, size, read)


def _checked(options: Mapping[str, Any]) -> dict[str, int]:
    for key, value in options.items():
        if key not in DEFAULTS:
            known = ", ".join(DEFAULTS)
            raise HarnessError(
                f"synthetic_urban: unknown option {key!r} (value {value!r}); use one of: {known}"
            )
        if isinstance(value, bool) or not isinstance(value, int) or value < LEAST[key]:
            raise HarnessError(
                f"synthetic_urban: option {key!r} is {value!r}; "
                f"set it to an integer of at least {LEAST[key]}"
            )
    return {**DEFAULTS, **options}


def open_dataset(options: Mapping[str, Any]) -> Dataset:
    """Return made-up aerial pictures of a town with true labels of the six Potsdam classes.

    Args:
        options: `train_scenes` (4) and `test_scenes` (2), at least 1 each; `size` (640) pixels
            a side, at least 41; `seed` (0), another seed is another town.

    Returns:
        A data set whose scenes are rendered when first read.

    Raises:
        HarnessError: An option is unknown or not an integer in its range.
    """
    chosen = _checked(options)
    scenes = tuple(
        _scene(chosen["seed"], split, index, chosen["size"])
        for split in SPLITS
        for index in range(chosen[f"{split}_scenes"])
    )
    return Dataset(
        title="Synthetic town (procedural)",
        scenes=scenes,
        classes=CLASSES,
        palette=PALETTE,
        sources=({"name": "procedural", "licence": "as this software", **chosen},),
        notes="Rendered scenes with true labels; they stand in for ISPRS Potsdam in the demo.",
    )
