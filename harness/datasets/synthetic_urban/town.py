"""The plan of the made-up town: streets, blocks, and what each block is used for."""

import math

import numpy as np

from harness.datasets.synthetic_urban.ground import (
    Polygon,
    area,
    contains,
    cut,
    filled,
    flags,
    front,
    halves,
    inset,
    meadow,
    region,
    scatter,
    sides,
)
from harness.datasets.synthetic_urban.objects import (
    FLAT,
    PITCHED,
    bric_a_brac,
    car,
    container,
    equip,
    flat_roof,
    house,
    hue,
    parking,
    playground,
    ruts,
    shrubs,
    track,
    tree,
)
from harness.datasets.synthetic_urban.scene import CODES, Canvas, Place, Rng

STREET_WIDTHS = (9.8, 7.2, 6.4)
"""Metres between the kerbs of the main street, of its side streets, and of theirs."""


def split(rng: Rng, polygon: Polygon, depth: int, streets: list[Place]) -> list[Polygon]:
    """Divide ground into blocks; the streets between them are collected, u along each."""
    if area(polygon) < rng.uniform(5000, 9000):
        return [polygon]
    longest = front(polygon)
    angle = longest.angle + math.pi / 2 + rng.normal(0, 0.09)
    point = np.array((longest.x, longest.y)) + rng.normal(0, 0.06) * longest.half_u
    if depth == 0:
        point = rng.uniform(-9, 9, 2)
    half_width = STREET_WIDTHS[min(depth, 2)] * rng.uniform(0.45, 0.55)
    streets.append(street(polygon, point, angle, half_width))
    left = np.array((-math.sin(angle), math.cos(angle)))
    parts = [cut(polygon, point + half_width * side, side) for side in (-left, left)]
    return [block for part in parts for block in split(rng, part, depth + 1, streets)]


def street(polygon: Polygon, point: Polygon, angle: float, half_width: float) -> Place:
    """Return the street through `point` that crosses a convex polygon at `angle`."""
    along, left = np.array(
        ((math.cos(angle), math.sin(angle)), (-math.sin(angle), math.cos(angle)))
    )
    line = cut(cut(polygon, point - 0.01 * left, left), point + 0.01 * left, -left)
    low, high = (line @ along).min(), (line @ along).max()
    x, y = (point + ((low + high) / 2 - point @ along) * along).tolist()
    return Place(x, y, angle, (high - low) / 2 + 0.3, half_width)


def pave(canvas: Canvas, rng: Rng, road: Place) -> None:
    """Surface a street by asphalt, with all that collects on it, or by cobbles."""
    patch, inside = canvas.box(road)
    tint = hue(rng, 0.08)[:, None, None]
    if road.half_v < 4.5 and rng.random() < 0.3:
        stones = 0.7 + 0.4 * canvas.clump(rng, patch, 2)
        canvas.paint(patch, inside, "cobble", tint * stones)
        return
    wheel_tracks = 1 + 0.05 * np.cos(patch.v * (2 * math.pi / road.half_v))
    canvas.paint(patch, inside, "asphalt", tint * wheel_tracks)
    for _ in range(int(road.half_u / 6)):
        u, v = rng.uniform(-0.7, 0.7, 2) * (road.half_u, road.half_v)
        repair = road.at(u + 3, v, rng.uniform(0.6, 4), rng.uniform(0.4, 1.0))
        canvas.lay(repair, "repair", rng.uniform(1, 1.5))
        canvas.lay(road.at(u, v, 0.32, 0.32), "iron")
    markings(canvas, road)


def zebra(road: Place) -> float:
    """Return where along a street its zebra crossing lies."""
    return 3.5 - 0.6 * road.half_u


def markings(canvas: Canvas, road: Place) -> None:
    """Draw the centre line and, on main roads, a zebra crossing."""
    main = road.half_v > 4.5
    for u in np.arange(-road.half_u + 6, road.half_u - 6, 6.0):
        if not main or abs(u - zebra(road)) > 5:
            canvas.lay(road.at(u, 0, 1.5, 0.075), "marking")
    for v in np.arange(-road.half_v + 0.6, road.half_v - 0.5, 1.0) if main else ():
        canvas.lay(road.at(zebra(road), v, 1.7, 0.25), "marking")


def traffic(canvas: Canvas, rng: Rng, road: Place) -> None:
    """Park cars along both kerbs, clear of the crossings, and let a few drive."""
    kerbs = [CODES[name] for name in ("paving", "brick", "kerb")]
    for side in (-1, 1):
        heading = road.angle + math.pi * (side > 0)
        for u in np.arange(4 - road.half_u, road.half_u - 4, 5.9):
            spot = road.at(u + rng.uniform(-0.4, 0.4), side * (road.half_v - 1.05), 0, 0)
            ends = [road.at(u + du, side * (road.half_v + 0.5), 0, 0) for du in (-3, 3)]
            beside_kerb = all(canvas.material_at(end.x, end.y) in kerbs for end in ends)
            if beside_kerb and abs(u - zebra(road)) > 6 and rng.random() < 0.42:
                car(canvas, rng, spot.x, spot.y, heading)
        for _ in range(rng.integers(0, 3)):
            spot = road.at(rng.uniform(-0.9, 0.9) * road.half_u, side * road.half_v * 0.3, 0, 0)
            if canvas.is_clear(spot.grown(3.2)):
                car(canvas, rng, spot.x, spot.y, heading)


def pavement(canvas: Canvas, rng: Rng, block: Polygon) -> Polygon:
    """Surround a block by kerb and sidewalk; return the lot inside."""
    canvas.paint(*filled(canvas, block), "kerb", hue(rng, 0.06))
    flags(canvas, rng, block, str(rng.choice(("paving", "brick", "paving"))), 0.22, 0.9)
    return inset(block, rng.uniform(1.9, 2.7))


def avenue(canvas: Canvas, rng: Rng, block: Polygon) -> None:
    """Set lamps and, along most streets, trees on the sidewalk around a block."""
    for side in sides(inset(block, 0.9)):
        lamps(canvas, rng, side)
        if rng.random() < 0.35:
            continue
        for u in np.arange(4 - side.half_u, side.half_u - 4, rng.uniform(7, 12)):
            spot = side.at(u + rng.normal(0, 0.5), 0, 0.7, 0.7)
            if rng.random() < 0.8 and canvas.is_clear(spot):
                canvas.lay(spot, "bed")
                tree(canvas, rng, spot.x, spot.y, rng.uniform(1.8, 4.6))


def lamps(canvas: Canvas, rng: Rng, side: Place) -> None:
    """Set street lamps along a sidewalk: all one sees of them is the shadow."""
    for u in np.arange(rng.uniform(4, 20) - side.half_u, side.half_u, 24):
        canvas.rectangle(side.at(u, -0.5, 0.08, 0.08), "iron", 2.0, 6.5)


def plant(canvas: Canvas, rng: Rng, polygon: Polygon, count: int, largest: float = 5.0) -> None:
    """Plant trees of mixed size where no house stands."""
    for x, y in scatter(rng, polygon, count):
        radius = rng.uniform(1.2, 2.6) + rng.beta(1.2, 3) * (largest - 1.5)
        if canvas.is_clear(Place(x, y, 0, 0.6 * radius, 0.6 * radius)):
            tree(canvas, rng, x, y, radius)


def litter(canvas: Canvas, rng: Rng, polygon: Polygon, count: int) -> None:
    """Leave the small things of gardens and yards where there is room."""
    for x, y in scatter(rng, polygon, count):
        place = Place(x, y, rng.uniform(0, math.pi), rng.uniform(1, 2), rng.uniform(0.7, 1.5))
        if canvas.is_clear(place.grown(1)):
            bric_a_brac(canvas, rng, place)


def villas(canvas: Canvas, rng: Rng, lot: Polygon) -> None:
    """Build detached houses along the streets with gardens behind."""
    meadow(canvas, rng, lot)
    for side in sides(lot):
        count = int(2 * side.half_u / rng.uniform(14, 17))
        for i in range(count):
            half = side.half_u / count
            villa(canvas, rng, lot, side.at((2 * i + 1) * half - side.half_u, 0, half, 0))
    core = inset(lot, 21)
    if area(core) > 350:
        villas(canvas, rng, core)
        return
    litter(canvas, rng, inset(lot, 3), int(area(lot) / 80))
    plant(canvas, rng, inset(lot, 2), int(area(lot) / 12), 6.5)


def villa(canvas: Canvas, rng: Rng, lot: Polygon, plot: Place) -> None:
    """Build one house with its garden along the front `plot`, if there is room."""
    half_u, half_v = rng.uniform(4.6, max(5.0, plot.half_u - 2.0)), rng.uniform(4.4, 5.8)
    spot = plot.at(-1.2, rng.uniform(3, 5.5) + half_v, half_u, half_v)
    if not (contains(lot, spot) and canvas.is_clear(spot.grown(1.5))):
        return
    if rng.random() < 0.35:
        spot = spot._replace(angle=spot.angle + math.pi / 2)
    canvas.lay(plot.at(-1.2, 2.5, 0.7, 2.5), "paving", hue(rng, 0.1))
    patio = spot.at(0, half_v + 1, half_u * 0.6, 2.2)
    canvas.lay(patio, rng.choice(("paving", "concrete")), hue(rng, 0.1))
    house(canvas, rng, spot, rng.uniform(3.5, 6), rng.choice(("gable", "hip")), rng.choice(PITCHED))
    driveway(canvas, rng, lot, plot)
    if rng.random() < 0.7:
        shrubs(canvas, rng, plot.at(-1.8, 0.6, plot.half_u - 1.8, 0.55), 1.4)
    if rng.random() < 0.7:
        shrubs(canvas, rng, plot.at(-plot.half_u, 10, 0.5, 9.5), 1.7)


def driveway(canvas: Canvas, rng: Rng, lot: Polygon, plot: Place) -> None:
    """Lead a drive past a house, for most with a garage at its end and a car on it."""
    drive = plot.at(plot.half_u - 1.7, 6.0, 1.4, 6.0)
    canvas.lay(drive, rng.choice(("paving", "brick", "concrete")), hue(rng, 0.1))
    garage = drive.at(0, 8.5, 1.7, 2.9)
    if rng.random() < 0.6 and contains(lot, garage) and canvas.is_clear(garage):
        flat_roof(canvas, rng, garage, 2.6, "bitumen")
    stop = drive.at(0, rng.uniform(-2, 1), 1.0, 2.2)
    if rng.random() < 0.6 and canvas.is_clear(stop):
        car(canvas, rng, stop.x, stop.y, drive.angle + math.pi / 2)


def court(canvas: Canvas, rng: Rng, lot: Polygon) -> None:
    """Close the block with town houses around a yard."""
    depth = rng.uniform(10, 12.5)
    yard = inset(lot, depth)
    if area(yard) < 120:
        villas(canvas, rng, lot)
        return
    flags(canvas, rng, lot, str(rng.choice(("paving", "cobble", "concrete"))), 0.0, 1.6)
    meadow(canvas, rng, inset(yard, rng.uniform(0.5, 3)))
    eaves = rng.uniform(8, 11.5)
    for side in sides(lot):
        if side.half_u > 4.5:
            terrace(canvas, rng, side, depth, eaves)
    furnish_yard(canvas, rng, yard)


def terrace(canvas: Canvas, rng: Rng, side: Place, depth: float, eaves: float) -> None:
    """Build town houses wall to wall along one side of a lot."""
    ends = np.cumsum(rng.uniform(11, 19, 9)) - side.half_u
    ends = np.append(ends[ends < side.half_u - 8], side.half_u)
    begin = -side.half_u
    for end in ends:
        spot = side.at((begin + end) / 2, depth / 2, (end - begin) / 2, depth / 2)
        begin = end
        if rng.random() < 0.95:
            kind, name = ("gable", PITCHED) if rng.random() < 0.8 else ("flat", FLAT)
            house(canvas, rng, spot, eaves + rng.normal(0, 0.6), kind, rng.choice(name))


def furnish_yard(canvas: Canvas, rng: Rng, yard: Polygon) -> None:
    """Fill a yard with a rear building, parked cars, bins and trees."""
    longest = front(yard)
    rear = longest.at(0, 9, rng.uniform(5, 9), 4)
    if contains(yard, rear.grown(2)):
        house(canvas, rng, rear, rng.uniform(3, 7), "flat", rng.choice(FLAT))
    bays = longest.at(0, 3.0, min(longest.half_u - 2, rng.uniform(6, 14)), 3.0)
    if longest.half_u > 5 and contains(yard, bays):
        parking(canvas, rng, bays, 0.7)
    litter(canvas, rng, yard, min(10, int(area(yard) / 40)))
    plant(canvas, rng, yard, int(area(yard) / 20), 5.0)


def slabs(canvas: Canvas, rng: Rng, lot: Polygon) -> None:
    """Set apartment slabs in rows on a lawn with paths, trees and a car park."""
    meadow(canvas, rng, lot, mown=True)
    longest = front(lot)
    kind, name = ("flat", rng.choice(FLAT)) if rng.random() < 0.5 else ("hip", rng.choice(PITCHED))
    eaves = rng.uniform(9, 13)
    bays = longest.at(0, 3.2, longest.half_u * rng.uniform(0.6, 0.9), 3.2)
    if contains(lot, bays):
        parking(canvas, rng, bays, 0.75)
    for v in np.arange(15.0, 90.0, rng.uniform(20, 24)):
        middle = rng.uniform(-4, 4)
        rows = [longest.at(middle, v, half, 5.5) for half in (21.0, 17.0, 13.0, 9.0)]
        for row in [row for row in rows if contains(lot, row.grown(1.5))][:1]:
            canvas.lay(row.at(0, 7.2, row.half_u + 1.5, 0.9), "concrete")
            canvas.lay(row.at(row.half_u - 5, -7.5, 0.8, 3), "concrete")
            house(canvas, rng, row, eaves, kind, name)
    litter(canvas, rng, inset(lot, 2), int(area(lot) / 250))
    plant(canvas, rng, inset(lot, 2), int(area(lot) / 24), 7.0)


def commerce(canvas: Canvas, rng: Rng, lot: Polygon) -> None:
    """Place a hall with a flat roof beside a large car park."""
    meadow(canvas, rng, lot)
    flags(canvas, rng, lot, str(rng.choice(("asphalt", "paving", "concrete"))), 2.2, 4.0)
    longest = front(lot)
    back = 3.0
    for half_u, half_v in ((26, 14), (22, 12), (17, 11), (14, 9), (10, 7), (7, 5)):
        hall = longest.at(0, half_v + back, half_u, half_v)
        if contains(lot, hall):
            flat_roof(canvas, rng, hall, rng.uniform(5, 8), str(rng.choice(FLAT)))
            back += 2 * half_v + 1
            break
    while back < 80:
        back += car_park(canvas, rng, lot, longest, back)
    for x, y in scatter(rng, inset(lot, 3), 5):
        box = Place(x, y, longest.angle + rng.choice((0, math.pi / 2)), 3.0, 1.2)
        if canvas.is_clear(box.grown(0.3)):
            container(canvas, rng, box)
    plant(canvas, rng, lot, int(area(lot) / 90), 3.5)


def car_park(canvas: Canvas, rng: Rng, lot: Polygon, front: Place, back: float) -> float:
    """Lay the largest car park that fits `back` metres behind the front; return its depth."""
    for half_v in (8.2, 3.2):
        for half_u in (24, 18, 12, 7):
            bays = front.at(0, back + half_v, half_u, half_v)
            if contains(lot, bays):
                parking(canvas, rng, bays, rng.uniform(0.4, 0.8))
                return 2 * half_v + 1.5
    return 5.0


def park(canvas: Canvas, rng: Rng, lot: Polygon) -> None:
    """Leave a lot green: winding path, old trees, a playground."""
    meadow(canvas, rng, lot, mown=rng.random() < 0.4)
    longest = front(lot)
    patch, depth = region(canvas, lot, 1.0)
    along = (patch.u * math.cos(longest.angle) + patch.v * math.sin(longest.angle)) / 9
    bend = 4 * np.sin(along + rng.uniform(0, math.tau)) + rng.uniform(8, 16)
    path = np.abs(depth - 0.6 * bend) < 1.0 + 0.12 * canvas.stain[patch.window]
    canvas.paint(patch, path & (depth > 0), "brick", 1.15 * hue(rng, 0.08))
    for x, y in scatter(rng, inset(lot, 9), 3)[:1]:
        playground(canvas, rng, Place(x, y, longest.angle, *rng.uniform(3, 6, 2)))
    plant(canvas, rng, inset(lot, 1), int(area(lot) / 20), 7.5)


def site(canvas: Canvas, rng: Rng, lot: Polygon) -> None:
    """Open a building site or a small railway yard, on the central end of a large lot."""
    if area(lot) > 900:
        share = 600 / area(lot)
        ends = [halves(lot, share), halves(lot, 1 - share)[::-1]]
        lot, rest = min(ends, key=lambda end: remoteness(end[0]))
        villas(canvas, rng, rest)
    longest = front(lot)
    rails = rng.random() < 0.4
    canvas.paint(*filled(canvas, lot), "ballast" if rails else "soil", hue(rng, 0.1))
    if rails:
        for v in (3.5, 8.0, 12.5):
            track(canvas, longest.at(0, v, longest.half_u, 1.3))
    else:
        for v in rng.uniform(2, 16, 4):
            ruts(canvas, longest.at(0, v, longest.half_u, 1.2, rng.normal(0, 0.1)))
    for x, y in scatter(rng, inset(lot, 2.5), int(area(lot) / 45)):
        box = Place(x, y, longest.angle + rng.choice((0, math.pi / 2)), 3.0, 1.2)
        if canvas.is_clear(box.grown(0.5)):
            equip(canvas, rng, box)
    plant(canvas, rng, lot, int(area(lot) / 140), 3.0)


USES = (villas, court, slabs, commerce, park, site)
USE_SHARES = (0.27, 0.32, 0.15, 0.07, 0.09, 0.10)
CENTRAL_USES = (villas, court, court, park, site)
"""What the parcels next to the centre are, in some order: every picture shows every class."""


def remoteness(polygon: Polygon) -> float:
    """Return the distance in metres of a polygon from the centre of the picture."""
    return float(np.hypot(*polygon.mean(axis=0)))


def parcels(rng: Rng, lots: list[Polygon]) -> list[Polygon]:
    """Return the parts of all lots that get a use of their own, the most central first."""
    parts = []
    for lot in lots:
        parted = area(lot) > 1800 and rng.random() < 0.65
        parts += halves(lot, rng.uniform(0.35, 0.65)) if parted else [lot]
    return sorted((part for part in parts if area(part) > 100), key=remoteness)


def build_town(canvas: Canvas, rng: Rng) -> None:
    """Fill the canvas with streets and blocks of different use."""
    turn = rng.uniform(0, math.pi / 2)
    c, s = math.cos(turn), math.sin(turn)
    corners = np.array(((-1, -1), (1, -1), (1, 1), (-1, 1))) * canvas.side * 0.72
    streets: list[Place] = []
    blocks = split(rng, corners @ np.array(((c, s), (-s, c))), 0, streets)
    for road in streets:
        pave(canvas, rng, road)
    lots = [pavement(canvas, rng, block) for block in blocks]
    for road in streets:
        traffic(canvas, rng, road)
    central = list(rng.permutation(len(CENTRAL_USES)))
    for parcel in parcels(rng, lots):
        use = CENTRAL_USES[central.pop()] if central else USES[rng.choice(len(USES), p=USE_SHARES)]
        use(canvas, rng, parcel)
    for block in blocks:
        avenue(canvas, rng, block)
