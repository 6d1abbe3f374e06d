"""How a search grows with agents times days, as a picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

_WIDTH, _HEIGHT, _EDGE = 640, 400, 60
_LINES: Final = (("p50 over gRPC, one client", "#1f77b4", 1), ("CPU of the server a call", "#d62728", 2))

Point = tuple[int, float, float]
"""Agents times days, p50 in ms, CPU in ms."""


def plot(points: Sequence[Point], file: Path) -> str:
    """Writes an SVG with both figures over agents times days; gives its path and the growth in words."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(_svg(points))
    (least, first, _), (most, last, _) = points[0], points[-1]
    return f"{most / least:.0f} times the agent-days took {last / first:.1f} times as long; {file}"


def _svg(points: Sequence[Point]) -> str:
    widest, highest = max(p[0] for p in points), max(max(p[1:]) for p in points)

    def at(days: float, milliseconds: float) -> tuple[float, float]:
        x = _EDGE + days / widest * (_WIDTH - 2 * _EDGE)
        return x, _HEIGHT - _EDGE - milliseconds / highest * (_HEIGHT - 2 * _EDGE)

    parts = [_axes(widest, highest)]
    for number, (name, colour, column) in enumerate(_LINES):
        line = [at(point[0], float(point[column])) for point in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in line)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in line]
        parts.append(f'<text x="{_EDGE + 10}" y="{_EDGE + 18 * number}" fill="{colour}">{name}</text>')
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" '
        f'font-family="sans-serif" font-size="13">\n<rect width="100%" height="100%" '
        f'fill="white"/>\n{body}\n</svg>\n'
    )


def _axes(widest: int, highest: float) -> str:
    left, right, top, bottom = _EDGE, _WIDTH - _EDGE, _EDGE, _HEIGHT - _EDGE
    return (
        f'<path d="M{left},{top} V{bottom} H{right}" fill="none" stroke="black"/>\n'
        f'<text x="{right}" y="{bottom + 20}" text-anchor="end">{widest:,} agent-days</text>\n'
        f'<text x="{left - 8}" y="{top}" text-anchor="end">{highest:.1f} ms</text>'
    )
