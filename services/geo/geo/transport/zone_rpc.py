"""The gRPC face of zones: message to command, domain to message.

A zone may have ten thousand corners: messages are read and made beside the event loop.
"""

from asyncio import to_thread
from collections.abc import Sequence
from typing import Final

import grpc
import numpy as np

from geo.domain.areas import Corner, Polygons, polygons_of
from geo.domain.zones import Zone, plain_postcode
from geo.transport import messages
from geo.transport.reach import require_whole
from geo.usecases.delete_zone import delete_zone
from geo.usecases.ledger import Ledger
from geo.usecases.read_zones import get_zone, list_zones, zones_at
from geo.usecases.set_agent_zones import set_agent_zones
from geo.usecases.upsert_zone import upsert_zone
from giro.common.v1 import travel_pb2
from giro.geo.v1 import zones_pb2 as pb
from giro.geo.v1 import zones_pb2_grpc
from kit.db.claims import Claim
from kit.rpc.context import caller

Context = grpc.aio.ServicerContext[object, object]

_PAGE: Final = 20
_MOST_HOLDING: Final = 10_000
_POLE: Final = 90.0
_MILLION: Final = 1e6


class ZoneServicer(zones_pb2_grpc.ZoneServiceServicer):
    """giro.geo.v1.ZoneService."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def UpsertZone(self, request: pb.UpsertZoneRequest, context: Context) -> pb.Zone:
        """Makes or replaces a zone."""
        require_whole()
        claim = Claim(f"upsert_zone:{request.request_id}", request.SerializeToString(deterministic=True))
        zone = await to_thread(_zone, request)
        return await to_thread(_zone_out, await upsert_zone(self._ledger, caller().tenant, zone, claim))

    async def GetZone(self, request: pb.GetZoneRequest, context: Context) -> pb.Zone:
        """One zone."""
        return await to_thread(_zone_out, await get_zone(self._ledger, caller().tenant, request.zone_id))

    async def ListZones(self, request: pb.ListZonesRequest, context: Context) -> pb.ListZonesResponse:
        """A page of zones."""
        size = request.page_size or _PAGE
        after = messages.page_after(request.page_token)
        found, more = await list_zones(self._ledger, caller().tenant, after, size)
        token = messages.page_token(found[-1].zone_id) if more else ""
        return await to_thread(_page_out, found, token)

    async def DeleteZone(self, request: pb.DeleteZoneRequest, context: Context) -> pb.DeleteZoneResponse:
        """Takes a zone away."""
        require_whole()
        await delete_zone(self._ledger, caller().tenant, request.zone_id)
        return pb.DeleteZoneResponse()

    async def SetAgentZones(self, request: pb.SetAgentZonesRequest, context: Context) -> pb.AgentZones:
        """Says where an agent works."""
        require_whole()
        found = await set_agent_zones(self._ledger, caller().tenant, request.agent_id, request.zone_ids)
        return pb.AgentZones(agent_id=request.agent_id, zone_ids=found)

    async def PointInZone(self, request: pb.PointInZoneRequest, context: Context) -> pb.PointInZoneResponse:
        """The zones that hold a point."""
        place = messages.place(request.point, "point")
        found = await zones_at(self._ledger, caller().tenant, place, plain_postcode(request.postcode))
        return pb.PointInZoneResponse(zone_ids=found[:_MOST_HOLDING], truncated=len(found) > _MOST_HOLDING)


def _zone(request: pb.UpsertZoneRequest) -> Zone:
    name = request.name.strip()
    if not name:
        raise messages.invalid("name", "must not be blank")
    return Zone(
        zone_id=request.zone_id,
        name=name,
        polygons=_polygons(request.area) if request.HasField("area") else (),
        postcodes=_postcodes(request.postcodes),
        band=int(messages.span(request.travel_band.within, "travel_band.within").total_seconds()) or None,
    )


def _polygons(area: pb.Area) -> Polygons:
    """Points are checked one by one, so that the field of a wrong one is named."""
    given = [
        [_ring(ring, f"area.polygons[{p}].rings[{r}]") for r, ring in enumerate(polygon.rings)]
        for p, polygon in enumerate(area.polygons)
    ]
    return polygons_of(given, "area.polygons")


def _ring(ring: pb.Ring, field: str) -> list[Corner]:
    """Corners in whole millionths, all at once: there may be ten thousand."""
    count = len(ring.points)
    lat = np.fromiter((point.latitude for point in ring.points), np.float64, count)
    lng = np.fromiter((point.longitude for point in ring.points), np.float64, count)
    on_earth = (np.abs(lat) <= _POLE) & (np.abs(lng) <= 2 * _POLE)  # false for what is no number
    for at in np.nonzero(~on_earth)[0]:
        messages.place(ring.points[at], f"{field}.points[{at}]")  # tells what is wrong
    corners = np.rint(lng * _MILLION).astype(np.int64), np.rint(lat * _MILLION).astype(np.int64)
    return list(zip(corners[0].tolist(), corners[1].tolist(), strict=True))


def _postcodes(given: pb.Postcodes) -> tuple[str, ...]:
    codes = [plain_postcode(code) for code in given.codes]
    for index, code in enumerate(codes):
        if not code:
            raise messages.invalid(f"postcodes.codes[{index}]", "must not be blank")
    return tuple(sorted(set(codes)))


def _page_out(found: Sequence[Zone], token: str) -> pb.ListZonesResponse:
    return pb.ListZonesResponse(zones=map(_zone_out, found), next_page_token=token)


def _zone_out(zone: Zone) -> pb.Zone:
    told = pb.Zone(zone_id=zone.zone_id, name=zone.name)
    if zone.polygons:
        told.area.CopyFrom(pb.Area(polygons=[_polygon_out(rings) for rings in zone.polygons]))
    elif zone.postcodes:
        told.postcodes.codes.extend(zone.postcodes)
    else:
        told.travel_band.within.seconds = zone.band or 0
    return told


def _polygon_out(rings: Sequence[Sequence[tuple[int, int]]]) -> pb.Polygon:
    return pb.Polygon(rings=[pb.Ring(points=[_point(*corner) for corner in ring]) for ring in rings])


def _point(x: int, y: int) -> travel_pb2.Point:
    return travel_pb2.Point(latitude=y / _MILLION, longitude=x / _MILLION)
