"""Areas on the map: polygons with holes, judged exactly in whole millionths of a degree.

Edges are straight in latitude and longitude (RFC 7946), and a point on an edge belongs to the area. Places
and corners are whole numbers, so no point is ever on the wrong side by rounding.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from geo.domain.places import Ints
from kit.errors import InvalidInput, Reason

MOST_VERTICES: Final = 10_000
"""Corners of one area, all rings together."""

_FEWEST: Final = 4
_HALF_TURN: Final = 180_000_000
_LAT_SHIFT: Final = 90_000_000
_LOW: Final = 0xFFFF_FFFF

Corner = tuple[int, int]
"""Longitude, latitude in millionths of a degree."""
Ring = tuple[Corner, ...]
Polygon = tuple[Ring, ...]
"""The outer ring, then the holes."""


Polygons = tuple[Polygon, ...]
"""They do not overlap, and all rings end where they begin."""


@dataclass(frozen=True, slots=True, eq=False)
class Area:
    """What judges places: the edges of all rings, as x and y of where they begin and where they end."""

    edges: Ints
    box: tuple[int, int, int, int]

    @classmethod
    def of(cls, polygons: Polygons) -> "Area":
        """The area of polygons that were checked."""
        rings = [np.array(ring, dtype=np.int64) for polygon in polygons for ring in polygon]
        edges = np.ascontiguousarray(np.concatenate([np.hstack([ring[:-1], ring[1:]]) for ring in rings]).T)
        x, y = edges[0], edges[1]
        return cls(edges, (int(x.min()), int(y.min()), int(x.max()), int(y.max())))

    @property
    def corners(self) -> int:
        """How many there are."""
        return int(self.edges.shape[1])

    def covers(self, place: int) -> bool:
        """Whether a place, by its key, lies inside or on an edge."""
        return self._covers((place & _LOW) - _HALF_TURN, (place >> 32) - _LAT_SHIFT)

    def _covers(self, x: int, y: int) -> bool:
        west, south, east, north = self.box
        if not (west <= x <= east and south <= y <= north):
            return False
        x1, y1, x2, y2 = self.edges
        side = (x2 - x1) * (y - y1) - (x - x1) * (y2 - y1)
        if _on_edge(self.edges, (x, y), side):
            return True
        crossed = ((y1 > y) != (y2 > y)) & ((side > 0) == (y2 > y1))
        return bool(np.count_nonzero(crossed) % 2)


def _on_edge(edges: Ints, point: Corner, side: Ints) -> bool:
    x, y = point
    straight: npt.NDArray[np.intp] = np.nonzero(side == 0)[0]
    if not len(straight):
        return False
    x1, y1, x2, y2 = edges[:, straight]
    within_x = (np.minimum(x1, x2) <= x) & (x <= np.maximum(x1, x2))
    within_y = (np.minimum(y1, y2) <= y) & (y <= np.maximum(y1, y2))
    return bool(np.any(within_x & within_y))


def polygons_of(given: Sequence[Sequence[Sequence[Corner]]], field: str) -> Polygons:
    """Polygons that were checked: of each the outer ring, then the holes.

    Raises InvalidInput naming what is wrong: nothing at all, a ring that is not closed or has no three
    corners, an edge over more than half the globe, more than 10,000 corners. Rings that cross are found by
    the database (`storage.zones`).
    """
    corners = sum(len(ring) for rings in given for ring in rings)
    if not given:
        raise _invalid(field, "must hold at least one polygon")
    if corners > MOST_VERTICES:
        raise _invalid(field, f"has {corners} corners, and {MOST_VERTICES} are the most")
    return tuple(_polygon(rings, f"{field}[{index}]") for index, rings in enumerate(given))


def _polygon(rings: Sequence[Sequence[Corner]], field: str) -> Polygon:
    if not rings:
        raise _invalid(f"{field}.rings", "must hold at least the outer ring")
    return tuple(_ring(points, f"{field}.rings[{index}]") for index, points in enumerate(rings))


def _ring(points: Sequence[Corner], field: str) -> Ring:
    ring = tuple(points)
    if len(ring) < _FEWEST:
        raise _invalid(f"{field}.points", "must hold at least three corners and the first one again")
    if ring[0] != ring[-1]:
        raise _invalid(f"{field}.points", "must end with the point it begins with")
    if len(set(ring)) < _FEWEST - 1:
        raise _invalid(f"{field}.points", "must hold at least three different corners")
    for index, (here, there) in enumerate(pairwise(ring)):
        if abs(here[0] - there[0]) > _HALF_TURN:
            message = "is more than 180 degrees from the next; cut the polygon at the 180th meridian"
            raise _invalid(f"{field}.points[{index}].longitude", message)
    return ring


def _invalid(field: str, why: str) -> InvalidInput:
    return InvalidInput(Reason.INVALID_FIELD, why, field=field)
