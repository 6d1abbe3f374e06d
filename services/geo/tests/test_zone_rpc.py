"""Zones over gRPC, and what they make of bad input."""

import math
from collections.abc import Sequence
from typing import Any

import pytest

from giro.common.v1 import travel_pb2
from giro.geo.v1 import zones_pb2 as pb
from giro.geo.v1 import zones_pb2_grpc
from kit.errors import InvalidInput
from kit.values.ids import new_id
from services.geo.tests.search.test_search_rpc import TENANT, Wire, wire  # noqa: F401 - a fixture

pytestmark = pytest.mark.asyncio

SQUARE = ((0.0, 0.0), (0.0, 1.0), (1.0, 1.0), (1.0, 0.0), (0.0, 0.0))


def polygon(*rings: Sequence[tuple[float, float]]) -> pb.Polygon:
    points = [[travel_pb2.Point(latitude=lat, longitude=lng) for lat, lng in ring] for ring in rings]
    return pb.Polygon(rings=[pb.Ring(points=ring) for ring in points])


async def call(wire: Wire, method: str, request: Any) -> Any:  # noqa: F811
    stub = zones_pb2_grpc.ZoneServiceStub(wire.client.channel)
    return await wire.client.call(getattr(stub, method), request, tenant=TENANT)


async def upsert(wire: Wire, **holds: Any) -> pb.Zone:  # noqa: F811
    request = pb.UpsertZoneRequest(name=holds.pop("name", new_id("nam")), request_id=new_id("req"), **holds)
    made = await call(wire, "UpsertZone", request)
    assert isinstance(made, pb.Zone)
    return made


async def test_a_zone_with_a_hole_is_told_as_it_came(wire: Wire) -> None:  # noqa: F811
    hole = [(0.4, 0.4), (0.4, 0.6), (0.6, 0.6), (0.4, 0.4)]
    area = pb.Area(polygons=[polygon(SQUARE, hole), polygon([(lat + 2, lng) for lat, lng in SQUARE])])
    made = await upsert(wire, area=area)
    assert made.area == area
    assert await call(wire, "GetZone", pb.GetZoneRequest(zone_id=made.zone_id)) == made
    for lat, lng, inside in ((0.1, 0.1, True), (0.45, 0.5, False), (0.4, 0.4, True), (2.5, 0.5, True)):
        point = travel_pb2.Point(latitude=lat, longitude=lng)
        found = await call(wire, "PointInZone", pb.PointInZoneRequest(point=point))
        assert (made.zone_id in found.zone_ids) is inside


async def test_as_many_corners_as_may_be_are_taken_and_one_more_is_not(wire: Wire) -> None:  # noqa: F811
    def ring(corners: int) -> list[tuple[float, float]]:
        turns = [2 * math.pi * n / corners for n in range(corners)]
        points = [(45 + math.sin(turn), 7 + math.cos(turn)) for turn in turns]
        return [*points, points[0]]

    made = await upsert(wire, area=pb.Area(polygons=[polygon(ring(9_999))]))
    assert len(made.area.polygons[0].rings[0].points) == 10_000
    with pytest.raises(InvalidInput) as refused:
        await upsert(wire, area=pb.Area(polygons=[polygon(ring(10_000))]))
    assert refused.value.violations[0].field == "area.polygons"


@pytest.mark.parametrize(
    ("holds", "field"),
    [
        ({}, "holds"),
        ({"area": pb.Area()}, "area.polygons"),
        ({"area": pb.Area(polygons=[pb.Polygon()])}, "area.polygons[0].rings"),
        ({"area": pb.Area(polygons=[polygon(SQUARE[:-1])])}, "area.polygons[0].rings[0].points"),
        (
            {"area": pb.Area(polygons=[polygon(SQUARE, [(91.0, 0.0), *SQUARE])])},
            "area.polygons[0].rings[1].points[0].latitude",
        ),
        (
            {"area": pb.Area(polygons=[polygon([(float("nan"), 0.0), *SQUARE])])},
            "area.polygons[0].rings[0].points[0].latitude",
        ),
        (
            {"area": pb.Area(polygons=[polygon([SQUARE[0], SQUARE[2], SQUARE[1], SQUARE[3], SQUARE[0]])])},
            "area.polygons[0]",
        ),
        ({"postcodes": pb.Postcodes()}, "postcodes.codes"),
        ({"postcodes": pb.Postcodes(codes=["1", "  "])}, "postcodes.codes[1]"),
        ({"travel_band": pb.TravelBand()}, "travel_band.within"),
        ({"name": " ", "postcodes": pb.Postcodes(codes=["1"])}, "name"),
    ],
)
async def test_what_is_no_zone_is_named(wire: Wire, holds: dict[str, Any], field: str) -> None:  # noqa: F811
    with pytest.raises(InvalidInput) as refused:
        await upsert(wire, **holds)
    assert refused.value.violations[0].field == field
