"""The things that stand in the made-up town: houses, trees, cars, and what lies about."""

import math

import numpy as np

from harness.datasets.synthetic_urban.scene import CODES, Array, Canvas, Patch, Place, Rng

CARS = ("white", "silver", "grey", "black", "blue", "red", "green")
CAR_SHARES = (0.21, 0.20, 0.24, 0.18, 0.09, 0.06, 0.02)
SPECIES = ("leaf", "light leaf", "copper leaf", "conifer")
SPECIES_SHARES = (0.60, 0.27, 0.03, 0.10)
PITCHED = ("clay", "old clay", "brown tile", "slate")
FLAT = ("bitumen", "gravel roof", "metal roof")


def hue(rng: Rng, amount: float) -> Array:
    """Return a random tint (4,): `amount` is the spread of brightness, less of it of warmth."""
    warmth = np.array((0.4, 0.0, -0.4, 0.3)) * rng.normal(0, amount)
    return np.exp(rng.normal(0, amount) + warmth).astype(np.float32)


def house(canvas: Canvas, rng: Rng, place: Place, eaves: float, kind: str, name: str) -> None:
    """Put up a house with a "gable", "hip" or "flat" roof of the named material."""
    if kind == "flat":
        flat_roof(canvas, rng, place, eaves, name)
        return
    patch, inside = canvas.box(place)
    inward = place.half_v - np.abs(patch.v)
    if kind == "hip":
        inward = np.minimum(inward, place.half_u - np.abs(patch.u))
    pitch = math.tan(rng.uniform(0.55, 0.85))
    roof = eaves + inward * pitch
    tint = hue(rng, 0.12)
    courses = 1 - 0.13 * (inward % 0.42 < 0.14) - 0.05 * (patch.u % 0.6 < 0.1)
    canvas.paint(patch, inside, name, courses * tint[:, None, None], roof)
    # Where a neighbour's roof is higher, ridge and gutter are hidden in it.
    seen = inside & (canvas.height[patch.window] <= roof + 0.01)
    top = eaves + place.half_v * pitch
    canvas.paint(patch, seen & (np.abs(patch.v) < 0.14) & (roof > top - 0.3), name, 1.25 * tint)
    canvas.paint(patch, seen & (place.half_v - np.abs(patch.v) < 0.16), "zinc")
    for _ in range(rng.integers(1, 3)):
        chimney(canvas, rng, place, top)
    for slope in (-1, 1):
        furnish_slope(canvas, rng, place, slope, name, top)


def chimney(canvas: Canvas, rng: Rng, place: Place, top: float) -> None:
    """Set a chimney near the ridge, `top` metres high, of the roof over `place`."""
    u, v = rng.uniform(-1, 1, 2) * (place.half_u - 2.2, 0.8)
    spot = place.at(u, v, 0.45, 0.32)
    canvas.rectangle(spot, rng.choice(("clay", "plaster", "zinc")), 0.8, top + 0.9)
    canvas.rectangle(spot.grown(-0.14), "bitumen", 0.3)


def furnish_slope(
    canvas: Canvas, rng: Rng, place: Place, slope: int, name: str, top: float
) -> None:
    """Add dormers, skylights, solar panels or nothing to one side of a pitched roof."""
    style = rng.choice(("plain", "windows", "dormers", "solar"), p=(0.25, 0.35, 0.28, 0.12))
    if style == "solar":
        solar_panels(canvas, rng, place, slope)
    if style not in ("windows", "dormers"):
        return
    long, deep = place.half_u - 2.2, place.half_v
    for u in np.linspace(-long, long, max(2, int(long / 1.7))):
        if rng.random() < 0.2:
            continue
        if style == "dormers":
            dormer(canvas, place.at(u, slope * deep * 0.55, 0.85, deep * 0.27), name, top - 0.6)
        else:
            skylight = place.at(u, slope * deep * rng.uniform(0.4, 0.6), 0.42, 0.6)
            canvas.rectangle(skylight.grown(0.1), "zinc", 0.8)
            canvas.rectangle(skylight, "roof glass", rng.uniform(0.5, 1.6))


def dormer(canvas: Canvas, place: Place, name: str, top: float) -> None:
    """Add a small gabled roof that stands out of a slope, its ridge along v."""
    patch, inside = canvas.box(place)
    canvas.paint(patch, inside, name, 0.92, top - 0.55 * np.abs(patch.u))


def solar_panels(canvas: Canvas, rng: Rng, place: Place, side: int) -> None:
    """Cover part of a slope with a framed grid of panels."""
    half_u = rng.uniform(0.35, 0.85) * (place.half_u - 1)
    array = place.at(rng.uniform(-0.1, 0.1), side * place.half_v * 0.52, half_u, 0.3 * place.half_v)
    patch, inside = canvas.box(array)
    frame = ((patch.u + half_u) % 1.1 < 0.1) | ((patch.v + array.half_v) % 1.7 < 0.1)
    canvas.paint(patch, inside, "solar")
    canvas.paint(patch, inside & frame, "zinc", 0.5)


def flat_roof(canvas: Canvas, rng: Rng, place: Place, top: float, name: str) -> None:
    """Put up a box with a parapet, seams, and the machines that stand on flat roofs."""
    tint = hue(rng, 0.15)
    canvas.rectangle(place, "parapet", tint, top + 0.35)
    inner = place.grown(-0.35)
    patch, inside = canvas.box(inner)
    inside &= canvas.height[patch.window] < top + 0.4
    seams = 0.18 * (patch.u % 1.6 < 0.1) * (name != "gravel roof")
    canvas.height[patch.window][inside] = top
    canvas.paint(patch, inside, name, (1 - seams) * tint[:, None, None])
    for _ in range(int(inner.half_u * inner.half_v / 14)):
        u, v = rng.uniform(-0.8, 0.8, 2) * (inner.half_u, inner.half_v)
        spot = inner.at(u, v, *rng.uniform(0.4, 1.3, 2))
        canvas.rectangle(spot, rng.choice(("zinc", "plaster", "roof glass")), 0.8, top + 0.7)
        canvas.rectangle(spot.grown(-0.2), rng.choice(("zinc", "bitumen")), 0.7)


def tree(canvas: Canvas, rng: Rng, x: float, y: float, radius: float) -> None:
    """Grow a tree of `radius` metres."""
    name = str(rng.choice(SPECIES, p=SPECIES_SHARES))
    patch = canvas.patch(Place(x, y, rng.uniform(0, math.tau), radius * 1.1, radius * 1.1))
    clumps = canvas.clump(rng, patch, 0 if radius > 2.8 else 1)
    leaves = canvas.clump(rng, patch, 2)
    if name == "conifer":
        away = np.hypot(patch.u, patch.v) / radius
        bulk, top = 1 - away - 0.3 * (1 - clumps), radius * rng.uniform(2.2, 2.8)
    else:
        bulk, top = crown(rng, patch, radius) - 0.5 * (1 - clumps), radius * rng.uniform(1.4, 1.9)
    bulk = bulk - 0.25 * (1 - leaves)
    height = top * (0.3 + 0.55 * np.sqrt(np.clip(bulk, 0, 1))) + 0.5 * leaves
    depth = 0.45 + 0.45 * clumps + 0.4 * leaves
    canvas.paint(patch, bulk > 0, name, hue(rng, 0.15)[:, None, None] * depth, height)


def crown(rng: Rng, patch: Patch, radius: float) -> Array:
    """Return the fullness of a broad crown, 1 inside to 0 outside: a few boughs side by side."""
    bulk = np.full(np.broadcast_shapes(patch.u.shape, patch.v.shape), -1.0)
    for reach in (0.85, *rng.uniform(0.45, 0.7, 5)):
        out, turn = (1 - reach) * rng.uniform(0.6, 1.1), rng.uniform(0, math.tau)
        du = patch.u / radius - out * math.cos(turn)
        dv = patch.v / radius - out * math.sin(turn)
        np.maximum(bulk, 1.25 - (du * du + dv * dv) / reach**2, out=bulk)
    return bulk


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
    patch, inside = canvas.box(place)
    name = rng.choice(("blue steel", "rust steel", "grey steel", "green steel"))
    ribs = 1 - 0.2 * (patch.u % 0.5 < 0.2)
    canvas.paint(patch, inside, name, ribs * hue(rng, 0.15)[:, None, None], top)


def heap(canvas: Canvas, rng: Rng, x: float, y: float, radius: float, name: str) -> None:
    """Pour a heap of soil, sand or rubble."""
    place = Place(x, y, rng.uniform(0, math.pi), radius, radius * rng.uniform(0.6, 1))
    patch = canvas.patch(place)
    away = np.hypot(patch.u / place.half_u, patch.v / place.half_v)
    away += 0.12 * canvas.stain[patch.window]
    height = 0.45 * radius * np.clip(1 - away, 0, 1) + 0.12 * canvas.clump(rng, patch, 2)
    canvas.paint(patch, away < 1, name, hue(rng, 0.1), height + 0.05)


def bric_a_brac(canvas: Canvas, rng: Rng, place: Place) -> None:
    """Put down one of the things people keep outdoors."""
    kinds = ("pool", "sheet", "bin", "wood", "heap", "vegetables")
    kind = rng.choice(kinds, p=(0.09, 0.13, 0.17, 0.17, 0.14, 0.30))
    if kind == "pool":
        canvas.lay(place.grown(1.2), "concrete", hue(rng, 0.1))
        canvas.lay(place.grown(0.7), "water", hue(rng, 0.1))
    elif kind == "sheet":
        canvas.rectangle(place, "tarpaulin", hue(rng, 0.3), 0.6)
    elif kind == "bin":
        container(canvas, rng, place.at(0, 0, 0.9, 0.5), 1.3)
    elif kind == "wood":
        canvas.rectangle(place.grown(-0.2), "timber", hue(rng, 0.2), 1.0)
    elif kind == "heap":
        heap(canvas, rng, place.x, place.y, place.half_u, "soil")
    else:
        vegetables(canvas, rng, place.grown(0.8))


def vegetables(canvas: Canvas, rng: Rng, place: Place) -> None:
    """Dig a bed and plant it in rows."""
    canvas.lay(place, "bed", hue(rng, 0.15))
    for v in np.arange(0.4 - place.half_v, place.half_v - 0.2, 0.7):
        if rng.random() < 0.75:
            shrubs(canvas, rng, place.at(0, v, place.half_u - 0.3, 0.26), rng.uniform(0.2, 0.6))


def playground(canvas: Canvas, rng: Rng, place: Place) -> None:
    """Fill a sand pit with two things to climb on."""
    canvas.lay(place, "sand", hue(rng, 0.06))
    canvas.rectangle(place.at(0, 0, 1.5, 0.8), "timber", 1.0, 1.6)
    canvas.rectangle(place.at(2.0, 1.0, 0.7, 0.7), "rust steel", 1.0, 1.2)


def parking(canvas: Canvas, rng: Rng, place: Place, full: float) -> None:
    """Lay out a car park: rows of bays along u, an aisle between two rows."""
    canvas.lay(place, "asphalt", hue(rng, 0.1))
    rows = [-1, 1] if place.half_v > 6.5 else [1]
    for row in rows:
        v = row * (place.half_v - 2.5)
        for u in np.arange(-place.half_u + 1.3, place.half_u - 1, 2.6):
            bay = place.at(u + rng.normal(0, 0.08), v + rng.normal(0, 0.2), 1.3, 2.5)
            canvas.lay(bay.at(-1.3, 0, 0.05, 2.4), "marking", 0.8)
            if rng.random() < full:
                car(canvas, rng, bay.x, bay.y, bay.angle + math.pi * rng.choice((0.5, 1.5)))


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


def track(canvas: Canvas, place: Place) -> None:
    """Lay sleepers and two rails along u, as far as the ballast goes."""
    patch = canvas.patch(place)
    bed = canvas.material[patch.window] == CODES["ballast"]
    sleeper = bed & (np.abs(patch.v) < 1.25) & (patch.u % 0.65 < 0.27)
    canvas.paint(patch, sleeper, "sleeper")
    canvas.paint(patch, bed & (np.abs(np.abs(patch.v) - 0.72) < 0.07), "rail")


def ruts(canvas: Canvas, place: Place) -> None:
    """Press the tracks of a lorry into the soil along u."""
    patch = canvas.patch(place)
    soft = canvas.material[patch.window] == CODES["soil"]
    canvas.paint(patch, soft & (np.abs(np.abs(patch.v) - 0.95) < 0.25), "soil", 0.78)
