"""Small SVG diagrams in the colours of the page; all text is escaped."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from reports.analysis import MeanRanks

WIDTH = 720
LINE = 22
DASHES = ("none", "6 3", "2 2", "8 3 2 3")
Point = tuple[float, float]


def _text(x: float, y: float, text: str, anchor: str = "start") -> Markup:
    return Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>').format(
        x, y, anchor, text
    )


def _line(x1: float, y1: float, x2: float, y2: float, width: float = 1) -> Markup:
    return Markup(
        '<line class="axis" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}" stroke-width="{}"/>'
    ).format(x1, y1, x2, y2, width)


def _svg(width: float, height: float, label: str, parts: Sequence[Markup]) -> Markup:
    body = Markup("").join(parts)
    return Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        width, height, label, body
    )


def rank_diagram(ranks: MeanRanks, titles: Sequence[str]) -> Markup:
    """Draw a critical-difference diagram: methods on an axis of mean ranks, bars over cliques."""
    means, critical = ranks.ranking.mean_ranks, ranks.ranking.critical_difference
    count = len(means)
    order = sorted(range(count), key=lambda i: means[i])
    bars = cliques([means[i] for i in order], critical)
    top = 30 + 9 * len(bars)

    def x(rank: float) -> float:
        return 190 + (rank - 1) / (count - 1) * (WIDTH - 380)

    parts = [_line(x(1), 20, x(count), 20)]
    for rank in range(1, count + 1):
        parts += [_line(x(rank), 15, x(rank), 25), _text(x(rank), 11, str(rank), "middle")]
    for level, (first, last) in enumerate(bars):
        y = 30 + 9 * level
        parts.append(_line(x(means[order[first]]) - 4, y, x(means[order[last]]) + 4, y, 4))
    half = (count + 1) // 2
    for place, index in enumerate(order):
        left = place < half
        y = top + LINE * ((place if left else count - 1 - place) + 1)
        end = 180 if left else WIDTH - 180
        parts += [_line(x(means[index]), 20, x(means[index]), y), _line(x(means[index]), y, end, y)]
        label = f"{titles[index]} ({means[index]:.2f})"
        parts.append(_text(end - 5 if left else end + 5, y + 4, label, "end" if left else "start"))
    words = ", ".join(f"{titles[i]} {means[i]:.2f}" for i in order)
    return _svg(WIDTH, top + LINE * (half + 1), f"Mean ranks: {words}", parts)


@dataclass(frozen=True)
class _Plane:
    """Maps steps and values to the left part of a diagram of curves; names stand at its right."""

    last: float
    low: float
    high: float
    height: float

    @staticmethod
    def of(points: Sequence[Point], height: float) -> "_Plane":
        values = [value for _, value in points]
        return _Plane(max(2.0, *(s for s, _ in points)), min(values), max(values), height)

    def scaled(self, value: float) -> float:
        # Terms differ by orders of magnitude, but an adversarial one may be negative.
        return math.log10(value) if self.low > 0 else value

    def place(self, point: Point) -> Point:
        low, high = self.scaled(self.low), self.scaled(self.high)
        share = (self.scaled(point[1]) - low) / (high - low) if high > low else 0.5
        return 44 + 150 * (point[0] - 1) / (self.last - 1), 12 + (self.height - 34) * (1 - share)

    def axes(self) -> list[Markup]:
        base = self.height - 22
        ends = [(base + 4, self.low), (16, self.high)]
        return [
            *(_line(44, 12, 44, base), _line(44, base, 194, base)),
            *(_text(40, y, f"{value:.3g}", "end") for y, value in ends),
            _text(44, self.height - 6, "1"),
            _text(194, self.height - 6, f"{self.last:,.0f}", "end"),
        ]


def curve_diagram(logs: Sequence[Sequence[Mapping[str, float]]], label: str) -> Markup:
    """Draw every term of the trainings of one row over the steps, one line per term and seed.

    Args:
        logs: per seed one mapping per logged step, with `step`.
        label: what the diagram shows, for a reader who does not see it.
    """
    names = [n for n in dict.fromkeys(n for log in logs for row in log for n in row) if n != "step"]
    lines: dict[str, list[list[Point]]] = {}
    for name in names:
        several = [[(r["step"], r[name]) for r in log if _is_known(r, name)] for log in logs]
        lines[name] = [line for line in several if line]
    lines = {name: several for name, several in lines.items() if several}
    points = [point for several in lines.values() for line in several for point in line]
    if not points:
        return Markup("")
    plane = _Plane.of(points, 30 + 14 * max(len(lines), 7))
    drawn = [
        _curve([plane.place(point) for point in line], number)
        for number, several in enumerate(lines.values())
        for line in several
    ]
    body = [*plane.axes(), *drawn, *_legend(lines, plane)]
    return _svg(400, plane.height, label, body)


def _is_known(row: Mapping[str, float], name: str) -> bool:
    return math.isfinite(row.get(name, math.nan))


def _legend(lines: Mapping[str, Sequence[Sequence[Point]]], plane: _Plane) -> Iterator[Markup]:
    """Yield the name and the last values of each term, near the end of its line."""
    numbers = {name: number for number, name in enumerate(lines)}
    ends = {name: plane.place(several[-1][-1])[1] for name, several in lines.items()}
    y = 0.0
    for place, name in enumerate(sorted(lines, key=ends.__getitem__)):
        # Names keep their distance, and leave room for those that follow.
        y = max(y + 14, min(ends[name] + 4, plane.height - 14 * (len(lines) - place)))
        finals = [line[-1][1] for line in lines[name]]
        words = " … ".join(f"{value:.3g}" for value in sorted({min(finals), max(finals)}))
        yield _curve([(200, y - 4), (216, y - 4)], numbers[name])
        yield _text(220, y, f"{name} {words}")


def _curve(points: Sequence[Point], number: int) -> Markup:
    """Draw a line of one of four colours, then with other dashes."""
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dashes = DASHES[number // 4 % len(DASHES)]
    return Markup('<polyline class="curve curve-{}" stroke-dasharray="{}" points="{}"/>').format(
        number % 4, dashes, path
    )


def cliques(means: Sequence[float], critical: float) -> list[tuple[int, int]]:
    """Find the largest groups of two or more sorted ranks within the critical difference."""
    found: list[tuple[int, int]] = []
    for first in range(len(means)):
        last = max(i for i in range(first, len(means)) if means[i] - means[first] <= critical)
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return found


def slope_diagram(titles: Sequence[str], before: Sequence[int], after: Sequence[int]) -> Markup:
    """Draw ranks of methods before (left) and after (right) a change of protocol, 1 on top."""
    width, left, right = 330, 120, 210
    parts = []
    for title, old, new in zip(titles, before, after, strict=True):
        y1, y2 = LINE * old, LINE * new
        parts += [_line(left, y1 - 4, right, y2 - 4, 1 if old == new else 3)]
        parts += [_text(left - 5, y1, f"{title} {old}", "end"), _text(right + 5, y2, f"{new}")]
    moved = [f"{t} {a} to {b}" for t, a, b in zip(titles, before, after, strict=True) if a != b]
    label = "Ranks: " + (", ".join(moved) or "none moves")
    return _svg(width, LINE * (len(titles) + 0.5), label, parts)
