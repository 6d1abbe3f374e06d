"""Readers of the public text formats.

- Solomon, Gehring & Homberger: coordinates, a fleet and a capacity; some published files end with `EOF`.
  Everything times ten and each leg cut to one decimal (the DIMACS convention), in exact integers.
- TSPTW: Dumas' and Gendreau's form with coordinates (legs cut to whole units), whose depot is numbered 1 in
  the published files, or a matrix of travel times (with or without the number of places before it) followed
  by the windows. One vehicle, no load.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import isqrt, lcm
from typing import Final

from geo.solver.benchmark.instance import Instance, Matrix

DIMACS_SCALE: Final = 10
MOST_PLACES: Final = 2001

_COLUMNS: Final = 7
_END: Final = "EOF"
_END_OF_DUMAS: Final = 999
_LARGEST: Final = 10**12
_NUMBER: Final = re.compile(r"[+-]?(\d{1,15}(\.\d{0,15})?|\.\d{1,15})", re.ASCII)


class BadInstance(ValueError):
    """The text is no instance of that format; the message begins with the line, counted from 1."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(f"line {line}: {message}")


@dataclass(frozen=True, slots=True)
class _Row:
    """The numbers of a line."""

    line: int
    values: tuple[Fraction, ...]

    def scaled(self, at: int, scale: int) -> int:
        """A value that may not be negative, in whole units, cut. Raises BadInstance."""
        value = self.values[at]
        if not 0 <= value * scale <= _LARGEST:
            raise BadInstance(self.line, f"{float(value):g} is negative or too large")
        return int(value * scale)

    def whole(self, at: int) -> int:
        """A value that has to be a whole number. Raises BadInstance."""
        if self.values[at].denominator != 1:
            raise BadInstance(self.line, f"{float(self.values[at]):g} is no whole number")
        return self.scaled(at, 1)


@dataclass(frozen=True, slots=True)
class _Line:
    """A line that is not blank, and its number in the file."""

    number: int
    words: tuple[str, ...]

    @property
    def begins_with_a_number(self) -> bool:
        return _NUMBER.fullmatch(self.words[0]) is not None

    @property
    def row(self) -> _Row:
        """Its numbers. Raises BadInstance naming the first word that is none."""
        wrong = next((word for word in self.words if _NUMBER.fullmatch(word) is None), None)
        if wrong is not None:
            raise BadInstance(self.number, f"{wrong[:30]!r} is no number")
        return _Row(self.number, tuple(Fraction(word) for word in self.words))


def solomon(text: str) -> Instance:
    """A VRPTW instance of Solomon, or of Gehring & Homberger. Raises BadInstance."""
    lines = _lines(text)
    rows = [line.row for line in _body(lines[1:-1] if lines[-1].words == (_END,) else lines[1:])]
    if not rows or len(rows[0].values) != 2:
        at = rows[0].line if rows else lines[-1].number
        raise BadInstance(at, "the number of vehicles and their capacity have to come first, two numbers")
    fleet = rows[0].whole(0), rows[0].whole(1)
    if fleet[0] < 1:
        raise BadInstance(rows[0].line, "there are no vehicles")
    customers = _customers(rows[1:], after=rows[0].line)
    return _instance(" ".join(lines[0].words), fleet, customers, DIMACS_SCALE)


def tsptw(text: str) -> Instance:
    """A TSPTW instance, in any of its forms. Raises BadInstance."""
    lines = [line for line in _lines(text) if not line.words[0].startswith("#")]
    if not lines:
        raise BadInstance(1, "there is nothing but comments")
    headings = [word.upper() for line in lines for word in line.words[:1] if not line.begins_with_a_number]
    if "CUST" in headings or lines[0].words[0].startswith("!!"):
        return _dumas(lines)
    return _matrix([line.row for line in lines])


def _lines(text: str) -> list[_Line]:
    found = [_Line(number, tuple(line.split())) for number, line in enumerate(text.splitlines(), 1)]
    found = [line for line in found if line.words]
    if not found:
        raise BadInstance(1, "the file is empty")
    return found


def _body(lines: Sequence[_Line]) -> list[_Line]:
    """The lines of numbers. Headings come before the customers alone, so that no customer passes for one."""
    found: list[_Line] = []
    for line in lines:
        if line.begins_with_a_number or len(found) > 1:
            found.append(line)
    return found


def _dumas(lines: Sequence[_Line]) -> Instance:
    rows: list[_Row] = []
    for line in lines:
        if not line.begins_with_a_number and not rows:
            continue
        row = line.row
        if row.values[0] == _END_OF_DUMAS:
            break
        rows.append(row)
    first = 1 if rows and rows[0].values[0] == 1 else 0
    customers = _customers(rows, after=lines[-1].number, first=first)
    name = " ".join(lines[0].words).replace("!!", "").split()
    fleet = 1, sum(row.whole(3) for row in customers)
    return replace(_instance(name[0] if name else "", fleet, customers, 1), first=first)


def _customers(rows: Sequence[_Row], *, after: int, first: int = 0) -> Sequence[_Row]:
    """The depot, which has number `first`, and the customers, each one more. Raises BadInstance."""
    if len(rows) < 2:
        raise BadInstance(rows[-1].line if rows else after, "there are no customers after this line")
    for number, row in enumerate(rows, first):
        if len(row.values) != _COLUMNS:
            raise BadInstance(row.line, f"a customer has {_COLUMNS} numbers, and here are {len(row.values)}")
        if row.values[0] != number:
            raise BadInstance(row.line, f"customer {float(row.values[0]):g} where {number} is next")
    if len(rows) > MOST_PLACES:
        raise BadInstance(rows[MOST_PLACES].line, f"more than {MOST_PLACES - 1} customers")
    return rows


def _instance(name: str, fleet: tuple[int, int], rows: Sequence[_Row], scale: int) -> Instance:
    ready, due, service = (tuple(row.scaled(at, scale) for row in rows) for at in (4, 5, 6))
    demand = tuple(row.whole(3) for row in rows)
    for row, first, last in zip(rows, ready, due, strict=True):
        _require_window(row.line, first, last)
    vehicles = min(fleet[0], len(rows))  # more than one for each customer are never needed
    return Instance(name, vehicles, fleet[1], _euclidean(rows, scale), demand, ready, due, service, scale)


def _matrix(rows: Sequence[_Row]) -> Instance:
    if len(rows[0].values) == 1:
        rows = rows[1:]
    size = len(rows[0].values) if rows else 0
    if not 2 <= size <= MOST_PLACES:
        at = rows[0].line if rows else 1
        raise BadInstance(at, f"a row of travel times has 2 to {MOST_PLACES} numbers, and here are {size}")
    for row in rows[:size]:
        if len(row.values) != size:
            raise BadInstance(row.line, f"{len(row.values)} travel times where the rows before have {size}")
    if len(rows) < size:
        raise BadInstance(rows[-1].line, f"the travel times end after {len(rows)} rows of {size}")
    scale = 1 if all(value.denominator == 1 for row in rows for value in row.values) else 10_000
    travel = tuple(tuple(row.scaled(at, scale) for at in range(size)) for row in rows[:size])
    ready, due = _windows(rows[size:], (size, scale), after=rows[size - 1].line)
    nothing = (0,) * size
    return Instance("", 1, 0, travel, nothing, ready, due, nothing, scale)


def _windows(
    rows: Sequence[_Row], shape: tuple[int, int], *, after: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Ready and due times, from a row for each place or from two long rows; `shape`: places, scale."""
    size, scale = shape
    if len(rows) == 2 and all(len(row.values) == size for row in rows) and size != 2:
        ready, due = (tuple(row.scaled(at, scale) for at in range(size)) for row in rows)
        lines = [rows[1].line] * size
    else:
        _require_a_window_each(rows, size, after=after)
        ready, due = (tuple(row.scaled(at, scale) for row in rows) for at in (0, 1))
        lines = [row.line for row in rows]
    for line, first, last in zip(lines, ready, due, strict=True):
        _require_window(line, first, last)
    return ready, due


def _require_a_window_each(rows: Sequence[_Row], size: int, *, after: int) -> None:
    for row in rows[:size]:
        if len(row.values) != 2:
            raise BadInstance(row.line, f"a time window has 2 numbers, and here are {len(row.values)}")
    if len(rows) != size:
        at = rows[size].line if len(rows) > size else rows[-1].line if rows else after
        raise BadInstance(at, f"there are {len(rows)} time windows, and {size} places")


def _require_window(line: int, ready: int, due: int) -> None:
    if due < ready:
        raise BadInstance(line, "the time window ends before it begins")


def _euclidean(rows: Sequence[_Row], scale: int) -> Matrix:
    """Distances times `scale`, cut to whole numbers without any rounding in between."""
    unit = lcm(*(value.denominator for row in rows for value in row.values[1:3]))
    points = [(int(row.values[1] * unit), int(row.values[2] * unit)) for row in rows]
    square, whole = scale * scale, unit * unit
    return tuple(
        tuple(isqrt(((ax - bx) ** 2 + (ay - by) ** 2) * square // whole) for bx, by in points)
        for ax, ay in points
    )
