"""The gRPC face of zones: message to command, domain to message."""

from collections.abc import Sequence
from typing import Final

import grpc

from geo.domain.areas import Polygons, polygons_of
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
from kit.values.latlng import LatLng

Context = grpc.aio.ServicerContext[object, object]

_PAGE: Final = 20
_MILLION: Final = 1e6


class ZoneServicer(zones_pb2_grpc.ZoneServiceServicer):
    """giro.geo.v1.ZoneService."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def UpsertZone(self, request: pb.UpsertZoneRequest, context: Context) -> pb.Zone:
        """Makes or replaces a zone."""
        require_whole()
        claim = Claim(f"upsert_zone:{request.request_id}", request.SerializeToString(deterministic=True))
        return _zone_out(await upsert_zone(self._ledger, caller().tenant, _zone(request), claim))

    async def GetZone(self, request: pb.GetZoneRequest, context: Context) -> pb.Zone:
        """One zone."""
        return _zone_out(await get_zone(self._ledger, caller().tenant, request.zone_id))

    async def ListZones(self, request: pb.ListZonesRequest, context: Context) -> pb.ListZonesResponse:
        """A page of zones."""
        size = request.page_size or _PAGE
        after = messages.page_after(request.page_token)
        found = await list_zones(self._ledger, caller().tenant, after, size + 1)
        more = messages.page_token(found[size - 1].zone_id) if len(found) > size else ""
        return pb.ListZonesResponse(zones=[_zone_out(one) for one in found[:size]], next_page_token=more)

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
        return pb.PointInZoneResponse(zone_ids=found)


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


def _ring(ring: pb.Ring, field: str) -> list[LatLng]:
    return [
        LatLng.from_key(messages.place(point, f"{field}.points[{at}]"))
        for at, point in enumerate(ring.points)
    ]


def _postcodes(given: pb.Postcodes) -> tuple[str, ...]:
    codes = [plain_postcode(code) for code in given.codes]
    for index, code in enumerate(codes):
        if not code:
            raise messages.invalid(f"postcodes.codes[{index}]", "must not be blank")
    return tuple(sorted(set(codes)))


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
