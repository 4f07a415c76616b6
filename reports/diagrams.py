"""Small SVG diagrams in the colours of the page; all text is escaped."""

from collections.abc import Sequence

from markupsafe import Markup

from reports.analysis import MeanRanks

WIDTH = 720
LINE = 22


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
