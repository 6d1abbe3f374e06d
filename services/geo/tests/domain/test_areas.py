"""Areas against a reference library, and what is no area."""

import random
from math import cos, pi, sin

import pytest
import shapely

from geo.domain.areas import MOST_VERTICES, Area, Corner, polygons_of
from kit.errors import InvalidInput
from kit.values.latlng import LatLng

POINTS = 10_000


def star(center: tuple[int, int], radius: int, corners: int, seed: int) -> list[tuple[int, int]]:
    """A closed ring around a centre that never crosses itself, with corners near and far, in millionths."""
    at = random.Random(seed)
    ring = []
    for number in range(corners):
        reach, angle = radius * at.uniform(0.4, 1.0), 2 * pi * number / corners
        ring.append((center[0] + round(reach * cos(angle)), center[1] + round(reach * sin(angle))))
    return [*ring, ring[0]]


def key(x: int, y: int) -> int:
    return LatLng(y / 1e6, x / 1e6).key


def an_area(seed: int) -> tuple[Area, shapely.MultiPolygon]:
    """Two polygons, the first with two holes, in whole millionths of a degree, where both are exact."""
    center = (9_000_000, 45_000_000)
    polygons = (
        (
            tuple(star(center, 400_000, 300, seed)),
            tuple(star((center[0] - 60_000, center[1]), 30_000, 17, seed + 1)),
            tuple(star((center[0] + 60_000, center[1]), 30_000, 5, seed + 2)),
        ),
        (tuple(star((center[0] + 900_000, center[1]), 300_000, 40, seed + 3)),),
    )
    reference = shapely.MultiPolygon([shapely.Polygon(outer, holes) for outer, *holes in polygons])
    assert reference.is_valid
    return Area.of(polygons), reference


@pytest.mark.parametrize("seed", [1, 2])
def test_it_agrees_with_the_reference_on_ten_thousand_points(seed: int) -> None:
    """At random, around corners, exactly on corners and edges, and on the edges of holes."""
    area, reference = an_area(seed)
    at = random.Random(seed)
    edges = area.edges.T.tolist()
    points = [(at.randint(8_500_000, 10_300_000), at.randint(44_500_000, 45_500_000)) for _ in range(6000)]
    for x1, y1, x2, y2 in at.choices(edges, k=2000):
        points.append((x1 + at.randint(-2, 2), y1 + at.randint(-2, 2)))
        points.append(((x1 + x2) // 2 + at.randint(-1, 1), (y1 + y2) // 2 + at.randint(-1, 1)))
    assert len(points) == POINTS
    told = [area.covers(key(x, y)) for x, y in points]
    assert told == [reference.covers(shapely.Point(point)) for point in points]
    assert 1000 < sum(told) < POINTS - 1000
    on_edges = sum(reference.boundary.covers(shapely.Point(point)) for point in points)
    assert on_edges > 100, "edges are among the points"


def test_edges_and_corners_belong_to_it_and_holes_do_not() -> None:
    square = ((0, 0), (10, 0), (10, 10), (0, 10), (0, 0))
    hole = ((4, 4), (4, 6), (6, 6), (6, 4), (4, 4))
    area = Area.of(((square, hole),))
    inside = [(0, 0), (10, 10), (5, 0), (10, 5), (1, 1), (4, 4), (4, 5), (5, 6)]
    outside = [(5, 5), (-1, 5), (11, 5), (5, 11), (5, -1), (11, 10), (10, -1)]
    assert [area.covers(key(*point)) for point in inside] == [True] * len(inside)
    assert [area.covers(key(*point)) for point in outside] == [False] * len(outside)


def test_a_diagonal_is_exact() -> None:
    """A place on the edge is inside; the next millionth of a degree is not."""
    area = Area.of(((((0, 0), (3_000_000, 1_000_000), (0, 1_000_000), (0, 0)),),))
    assert area.covers(key(1_500_000, 500_000))
    assert not area.covers(key(1_500_001, 500_000))
    assert area.covers(key(1_499_999, 500_000))


def ring(*corners: tuple[int, int]) -> list[Corner]:
    return [(lng * 1_000_000, lat * 1_000_000) for lng, lat in corners]


SQUARE = ring((0, 0), (1, 0), (1, 1), (0, 1), (0, 0))


@pytest.mark.parametrize(
    ("polygons", "field", "why"),
    [
        ([], "area.polygons", "at least one"),
        ([[]], "area.polygons[0].rings", "outer ring"),
        ([[[]]], "area.polygons[0].rings[0].points", "three corners"),
        ([[SQUARE], [SQUARE[:-1]]], "area.polygons[1].rings[0].points", "end with the point"),
        ([[SQUARE, SQUARE[:3]]], "area.polygons[0].rings[1].points", "three corners"),
        ([[ring((0, 0), (1, 1), (0, 0), (1, 1), (0, 0))]], "area.polygons[0].rings[0].points", "different"),
        (
            [[ring((-179, 0), (179, 0), (179, 1), (-179, 0))]],
            "area.polygons[0].rings[0].points[0].longitude",
            "180",
        ),
        ([[SQUARE * 2001]], "area.polygons", "10005 corners"),
    ],
)
def test_what_is_no_area_is_named(polygons: list[list[list[Corner]]], field: str, why: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        polygons_of(polygons, "area.polygons")
    (violation,) = refused.value.violations
    assert violation.field == field
    assert why in violation.description


def test_as_many_corners_as_may_be() -> None:
    many = star((0, 0), 1_000_000, MOST_VERTICES - 1, 7)
    (polygon,) = polygons_of([[many]], "area.polygons")
    assert len(polygon[0]) == MOST_VERTICES
    assert polygon[0] == tuple(many)
