"""The curve of pass rates as inline SVG: numbers in, markup out. No script, no external resource."""

from collections.abc import Sequence

from experiments.views import CurvePoint
from populations.records import Verdict
from studbook.rate import Rate

WIDTH, HEIGHT = 720, 280
TITLE = "Pass rate on validation papers by iteration: best so far with its 95 % interval, and each mutant"
LEFT, RIGHT, TOP, BOTTOM = 72, 14, 20, 38


def chart(points: Sequence[CurvePoint], seed: Rate) -> str:
    """Best so far with its 95 % interval as a band; each mutant's own evaluation as a mark."""
    if not points:
        return '<p class="quiet">No iteration has ended yet.</p>'
    last = max(point.iteration for point in points)
    best = [(0, seed), *((point.iteration, point.best) for point in points)]
    return "".join(
        [
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="curve-title">',
            f'<title id="curve-title">{TITLE}</title>',
            *_grid(last),
            _band(best, last),
            _line(best, last),
            *(_mark(point, last) for point in points if point.mutant.n),
            "</svg>",
        ]
    )


def _x(iteration: int, last: int) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * iteration / max(last, 1)


def _y(share: float) -> float:
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - share)


def _grid(last: int) -> list[str]:
    parts = []
    for percent in (0, 25, 50, 75, 100):
        y = _y(percent / 100)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{percent} %</text>')
    for iteration in sorted({0, last}):
        x = _x(iteration, last)
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - 12}" text-anchor="middle">{iteration}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle:.1f}" y="{HEIGHT - 12}" text-anchor="middle">iteration</text>')
    return parts


def _band(best: Sequence[tuple[int, Rate]], last: int) -> str:
    measured = [(iteration, rate.interval()) for iteration, rate in best if rate.n]
    upper = [f"{_x(at, last):.1f},{_y(high):.1f}" for at, (_, high) in measured]
    lower = [f"{_x(at, last):.1f},{_y(low):.1f}" for at, (low, _) in reversed(measured)]
    return f'<polygon class="band" points="{" ".join(upper + lower)}"/>'


def _line(best: Sequence[tuple[int, Rate]], last: int) -> str:
    points = " ".join(f"{_x(at, last):.1f},{_y(float(rate.fraction)):.1f}" for at, rate in best if rate.n)
    return f'<polyline class="best" points="{points}"/>'


def _mark(point: CurvePoint, last: int) -> str:
    """Admitted mutants are filled circles, the others crosses: the shape carries the meaning."""
    x, y = _x(point.iteration, last), _y(float(point.mutant.fraction))
    title = f"<title>iteration {point.iteration}, {point.verdict.value}: {point.mutant}</title>"
    if point.verdict is Verdict.ADMITTED:
        return f'<circle class="admitted" cx="{x:.1f}" cy="{y:.1f}" r="4">{title}</circle>'
    cross = f"M{x - 3:.1f} {y - 3:.1f}l6 6M{x - 3:.1f} {y + 3:.1f}l6 -6"
    return f'<path class="rejected" d="{cross}">{title}</path>'
