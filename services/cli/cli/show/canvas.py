"""A small map in Braille dots: two dots across and four down in each character."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from rich.text import Text

from kit.values.latlng import LatLng

BRAILLE = 0x2800
DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
WIDEST, TALLEST = 64, 18
MARGIN = 2
SMALLEST_DEGREES = 0.002


@dataclass(frozen=True, slots=True)
class Mark:
    """A labelled place; later marks are drawn over earlier ones."""

    place: LatLng
    label: str
    style: str = "bold"


def draw(route: Sequence[Mark], others: Sequence[Mark] = ()) -> Text:
    """The route's marks joined by lines in order, the others alone, north up; empty for no marks."""
    marks = [*route, *others]
    if not marks:
        return Text("")
    frame = _Frame([mark.place for mark in marks])
    return _text(frame, _dots(frame, route), marks)


def outlines(rings: Sequence[Sequence[LatLng]], others: Sequence[Mark] = ()) -> Text:
    """Closed lines, each by itself, with the others on top, north up; empty for no lines."""
    frames = [place for ring in rings for place in ring]
    if not frames:
        return Text("")
    frame = _Frame([*frames, *(mark.place for mark in others)])
    cells: dict[tuple[int, int], int] = {}
    for ring in rings:
        for cell, dots in _dots(frame, [Mark(place, "") for place in ring]).items():
            cells[cell] = cells.get(cell, 0) | dots
    return _text(frame, cells, others)


def _dots(frame: "_Frame", route: Sequence[Mark]) -> dict[tuple[int, int], int]:
    cells: dict[tuple[int, int], int] = {}
    for a, b in pairwise(route):
        for x, y in _between(frame.dot(a.place), frame.dot(b.place)):
            cell = (y // 4, x // 2)
            cells[cell] = cells.get(cell, 0) | DOTS[y % 4][x % 2]
    return cells


class _Frame:
    """The rectangle of the world that is shown, and how it falls on characters."""

    def __init__(self, places: Sequence[LatLng]) -> None:
        lats, lngs = [place.lat for place in places], [place.lng for place in places]
        self._west, self._north = min(lngs), max(lats)
        shrink = math.cos(math.radians(sum(lats) / len(lats)))
        across = max((max(lngs) - self._west) * shrink, SMALLEST_DEGREES)
        down = max(self._north - min(lats), SMALLEST_DEGREES)
        dots_a_degree = min((WIDEST - 2 * MARGIN) * 2 / across, (TALLEST - 2) * 4 / down)
        self._x, self._y = dots_a_degree * shrink, dots_a_degree
        self.columns = math.ceil(across * dots_a_degree / 2) + 2 * MARGIN
        self.rows = math.ceil(down * dots_a_degree / 4) + 2
        self.km_a_column = 2 / dots_a_degree * 111.2

    def dot(self, place: LatLng) -> tuple[int, int]:
        x = round((place.lng - self._west) * self._x) + 2 * MARGIN
        return x, round((self._north - place.lat) * self._y) + 4

    def cell(self, place: LatLng) -> tuple[int, int]:
        x, y = self.dot(place)
        return y // 4, x // 2


def _text(frame: _Frame, cells: dict[tuple[int, int], int], marks: Iterable[Mark]) -> Text:
    size = range(frame.rows + 1), range(frame.columns)
    rows = [[(_braille(cells.get((row, column))), "cyan") for column in size[1]] for row in size[0]]
    for mark in marks:
        row, column = frame.cell(mark.place)
        for offset, letter in enumerate(mark.label):
            if column + offset < frame.columns:
                rows[row][column + offset] = (letter, mark.style)
    text = Text("\n").join(Text.assemble(*row) for row in rows)
    text.append(f"\n{_scale(frame)}", style="dim")
    return text


def _braille(dots: int | None) -> str:
    return chr(BRAILLE + dots) if dots else " "


def _scale(frame: _Frame) -> str:
    kilometres = next(
        km for km in (50, 20, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05) if km / frame.km_a_column <= WIDEST / 3
    )
    bar = "─" * max(1, round(kilometres / frame.km_a_column))
    return f"├{bar}┤ {kilometres:g} km, north up"


def _between(start: tuple[int, int], end: tuple[int, int]) -> Iterable[tuple[int, int]]:
    steps = max(abs(end[0] - start[0]), abs(end[1] - start[1]), 1)
    for step in range(steps + 1):
        part = step / steps
        yield round(start[0] + (end[0] - start[0]) * part), round(start[1] + (end[1] - start[1]) * part)
