"""Zones over gRPC, and what they make of bad input."""

import asyncio
import math
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from geo.transport import zone_rpc
from geo.usecases import read_zones
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


def circle(corners: int, lat: float = 45, lng: float = 7) -> list[tuple[float, float]]:
    turns = [2 * math.pi * n / corners for n in range(corners)]
    points = [(lat + math.sin(turn), lng + math.cos(turn)) for turn in turns]
    return [*points, points[0]]


async def test_a_page_ends_where_it_becomes_large(wire: Wire) -> None:  # noqa: F811
    """Twenty-five full zones are five megabytes; gRPC takes four."""
    full = pb.Area(polygons=[polygon(circle(9_999))])
    before = {zone.zone_id for zone in await everything(wire, 100)}
    made = [(await upsert(wire, area=full)).zone_id for _ in range(5)]
    many = pb.Postcodes(codes=[f"LV{number}" for number in range(10_000)])
    made += [(await upsert(wire, postcodes=many)).zone_id for _ in range(2)]
    small = [(await upsert(wire, area=pb.Area(polygons=[polygon(SQUARE)]))).zone_id for _ in range(3)]
    pages: list[list[str]] = []
    found = await everything(wire, 100, pages)
    assert [zone.zone_id for zone in found] == sorted({*before, *made, *small})
    assert max(len(set(page) & set(made)) for page in pages) == 3
    assert len(pages) >= 3
    assert await everything(wire, 1) == found


async def everything(wire: Wire, size: int, pages: list[list[str]] | None = None) -> list[pb.Zone]:  # noqa: F811
    """All zones, page by page; the ids of each page go into `pages`."""
    found: list[pb.Zone] = []
    token = ""
    while True:
        page = await call(wire, "ListZones", pb.ListZonesRequest(page_size=size, page_token=token))
        assert page.ByteSize() < 1_100_000
        found += page.zones
        if pages is not None:
            pages.append([zone.zone_id for zone in page.zones])
        token = page.next_page_token
        if not token:
            return found


async def test_as_many_zones_as_there_are_hold_a_point(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    """They are judged some at a time; more than an answer takes are left out, and it says so."""
    monkeypatch.setattr(read_zones, "_JUDGED_WEIGHT", 12)
    holding = [(await upsert(wire, area=pb.Area(polygons=[polygon(SQUARE)]))).zone_id for _ in range(4)]
    holding.append((await upsert(wire, postcodes=pb.Postcodes(codes=["77 1b"]))).zone_id)
    beside = [(lat + 50, lng) for lat, lng in SQUARE]
    await upsert(wire, area=pb.Area(polygons=[polygon(beside)]))
    request = pb.PointInZoneRequest(point=travel_pb2.Point(latitude=0.03, longitude=0.03), postcode="771B")
    found = await call(wire, "PointInZone", request)
    assert set(holding) <= set(found.zone_ids)
    assert list(found.zone_ids) == sorted(found.zone_ids)
    assert not found.truncated
    monkeypatch.setattr(zone_rpc, "_MOST_HOLDING", 4)
    fewer = await call(wire, "PointInZone", request)
    assert (list(fewer.zone_ids), fewer.truncated) == (list(found.zone_ids)[:4], True)


@pytest.mark.parametrize("work", ["_zone", "_zone_out"])
async def test_other_calls_are_answered_while_a_zone_is_read_or_told(
    wire: Wire,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    work: str,
) -> None:
    """The work on its corners ends when another call was answered: on the event loop it never would."""
    answered, done = threading.Event(), getattr(zone_rpc, work)

    def waits(given: Any) -> Any:
        assert answered.wait(10), "nobody else was answered meanwhile"
        return done(given)

    monkeypatch.setattr(zone_rpc, work, waits)
    area = pb.Area(polygons=[polygon(SQUARE)])
    making = asyncio.create_task(upsert(wire, area=area))
    point = travel_pb2.Point(latitude=80, longitude=80)
    await call(wire, "PointInZone", pb.PointInZoneRequest(point=point))
    assert not making.done()
    answered.set()
    assert (await making).area == area


async def test_as_many_corners_as_may_be_are_taken_and_one_more_is_not(wire: Wire) -> None:  # noqa: F811
    made = await upsert(wire, area=pb.Area(polygons=[polygon(circle(9_999))]))
    assert len(made.area.polygons[0].rings[0].points) == 10_000
    with pytest.raises(InvalidInput) as refused:
        await upsert(wire, area=pb.Area(polygons=[polygon(circle(10_000))]))
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
