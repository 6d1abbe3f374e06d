"""Readers of the public text formats.

- Solomon, Gehring & Homberger: coordinates, a fleet and a capacity. Everything times ten and each leg cut to
  one decimal (the DIMACS convention), in exact integers.
- TSPTW: Dumas' and Gendreau's form with coordinates (legs cut to whole units), or a matrix of travel times
  (with or without the number of places before it) followed by the windows. One vehicle, no load.
"""

from collections.abc import Sequence
from fractions import Fraction
from math import isqrt
from typing import Final

from geo.solver.benchmark.instance import Instance, Matrix

DIMACS_SCALE: Final = 10
MOST_PLACES: Final = 2001

_COLUMNS: Final = 7
_END_OF_DUMAS: Final = 999
_Row = tuple[Fraction, ...]


class BadInstance(ValueError):
    """The text is no instance of that format; the message says where."""


def solomon(text: str) -> Instance:
    """A VRPTW instance. Raises BadInstance."""
    lines = [(number, line.split()) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines:
        raise BadInstance("the file is empty")
    numbers = [(number, _numbers(words)) for number, words in lines[1:] if _is_number(words[0])]
    fleet = next((row for _, row in numbers if row is not None and len(row) == 2), None)
    if fleet is None:
        raise BadInstance("there is no line with the number of vehicles and their capacity")
    rows = [_customer(number, row) for number, row in numbers if row is None or len(row) != 2]
    return _instance(" ".join(lines[0][1]), (_whole(fleet[0]), _whole(fleet[1])), rows, DIMACS_SCALE)


def tsptw(text: str) -> Instance:
    """A TSPTW instance, in any of its forms. Raises BadInstance."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if not lines:
        raise BadInstance("the file is empty")
    if "CUST" in text.upper() or lines[0].lstrip().startswith("!!"):
        return _dumas(lines)
    return _matrix(lines)


def _dumas(lines: Sequence[str]) -> Instance:
    rows: list[_Row] = []
    for number, line in enumerate(lines, 1):
        words = line.split()
        if _is_number(words[0]):
            row = _customer(number, _numbers(words))
            if row[0] == _END_OF_DUMAS:
                break
            rows.append(row)
    name = lines[0].replace("!!", "").split()
    return _instance(name[0] if name else "", (1, sum(_whole(row[3]) for row in rows)), rows, 1)


def _matrix(lines: Sequence[str]) -> Instance:
    table = [_numbers(line.split()) for line in lines]
    if any(row is None for row in table):
        at = next(number for number, row in enumerate(table, 1) if row is None)
        raise BadInstance(f"line {at}: these are no numbers")
    numbers = [row for row in table if row is not None]
    if len(numbers[0]) == 1:
        numbers = numbers[1:]
    size = len(numbers[0]) if numbers else 0
    if not 2 <= size <= MOST_PLACES or len(numbers) < size or any(len(row) != size for row in numbers[:size]):
        raise BadInstance("the travel times are no square")
    windows = _windows(numbers[size:], size)
    scale = 1 if all(value.denominator == 1 for row in numbers for value in row) else 10_000
    travel = tuple(tuple(_scaled(value, scale) for value in row) for row in numbers[:size])
    ready, due = (tuple(_scaled(value, scale) for value in column) for column in windows)
    nothing = (0,) * size
    return _checked(Instance("", 1, 0, travel, nothing, ready, due, nothing, scale))


def _windows(rows: Sequence[_Row], size: int) -> tuple[_Row, _Row]:
    """Ready and due times, from a row for each place or from two long rows."""
    if len(rows) == size and all(len(row) == 2 for row in rows):
        return tuple(row[0] for row in rows), tuple(row[1] for row in rows)
    if len(rows) == 2 and all(len(row) == size for row in rows):
        return rows[0], rows[1]
    raise BadInstance(f"there are not {size} time windows after the travel times")


def _instance(name: str, fleet: tuple[int, int], rows: Sequence[_Row], scale: int) -> Instance:
    if len(rows) < 2:
        raise BadInstance("there are no customers")
    if [row[0] for row in rows] != list(range(len(rows))):
        raise BadInstance("customers are not numbered 0, 1, 2 and so on")
    if len(rows) > MOST_PLACES:
        raise BadInstance(f"more than {MOST_PLACES - 1} customers")
    vehicles, capacity = fleet
    ready, due, service = (tuple(_scaled(row[at], scale) for row in rows) for at in (4, 5, 6))
    demand = tuple(_whole(row[3]) for row in rows)
    travel = _euclidean(rows, scale)
    return _checked(Instance(name, vehicles, capacity, travel, demand, ready, due, service, scale))


def _checked(instance: Instance) -> Instance:
    numbers = (
        *instance.demand,
        *instance.service,
        *instance.ready,
        *(x for row in instance.travel for x in row),
    )
    if min(numbers) < 0 or max(numbers) > 10**12:
        raise BadInstance("a number is negative or too large")
    late = next((at for at in range(len(instance.due)) if instance.due[at] < instance.ready[at]), None)
    if late is not None:
        raise BadInstance(f"the window of customer {late} ends before it begins")
    if instance.vehicles < 1:
        raise BadInstance("there are no vehicles")
    return instance


def _euclidean(rows: Sequence[_Row], scale: int) -> Matrix:
    """Distances times `scale`, cut to whole numbers without any rounding in between."""
    points = [(row[1], row[2]) for row in rows]
    square = scale * scale
    return tuple(
        tuple(isqrt(int(((ax - bx) ** 2 + (ay - by) ** 2) * square)) for bx, by in points)
        for ax, ay in points
    )


def _customer(number: int, row: _Row | None) -> _Row:
    if row is None or len(row) != _COLUMNS:
        raise BadInstance(f"line {number}: a customer has {_COLUMNS} numbers")
    return row


def _numbers(words: Sequence[str]) -> _Row | None:
    try:
        return tuple(Fraction(word) for word in words)
    except (ValueError, ZeroDivisionError):
        return None


def _is_number(word: str) -> bool:
    return _numbers([word]) is not None


def _whole(value: Fraction) -> int:
    if value.denominator != 1:
        raise BadInstance(f"{float(value)} is no whole number")
    return int(value)


def _scaled(value: Fraction, scale: int) -> int:
    return int(value * scale)
