"""The calls of GeoService about travel data and places: message to use case, domain to message."""

from dataclasses import dataclass
from typing import Final

import grpc

from geo.domain.comparison import Compared, Ratio
from geo.domain.geocoding import Candidate
from geo.transport import messages
from geo.transport.reach import require_whole
from geo.usecases.check_promises import TravelData
from geo.usecases.compare_travel import Comparison, compare_travel
from geo.usecases.geocode import geocode
from geo.usecases.ledger import Ledger
from geo.usecases.parameters import Shown, get_parameter, set_parameter
from geo.usecases.ports import Geocoder
from giro.geo.v1 import geo_pb2 as pb
from giro.geo.v1 import geo_pb2_grpc
from kit.rpc.context import caller

Context = grpc.aio.ServicerContext[object, object]

_PLACES: Final = 40


@dataclass(frozen=True, slots=True)
class TravelDesk:
    """What these calls work with."""

    data: TravelData
    geocoder: Geocoder
    ledger: Ledger


class TravelCalls(geo_pb2_grpc.GeoServiceServicer):
    """A part of giro.geo.v1.GeoService."""

    def __init__(self, desk: TravelDesk) -> None:
        self._desk = desk

    async def CompareTravel(
        self, request: pb.CompareTravelRequest, context: Context
    ) -> pb.CompareTravelResponse:
        """The estimate against the roads."""
        places = request.places or _PLACES
        mode = messages.mode(request.travel_mode)
        return _comparison(await compare_travel(self._desk.data, caller().tenant, mode, places))

    async def Geocode(self, request: pb.GeocodeRequest, context: Context) -> pb.GeocodeResponse:
        """The place of an address."""
        asked = request.address, request.country_code
        found = await geocode(self._desk.data.db, self._desk.geocoder, caller().tenant, asked)
        return pb.GeocodeResponse(
            state=pb.GeocodeState.Value(f"GEOCODE_STATE_{found.state}"),
            point=None if found.place is None else messages.point(found.place),
            candidates=[_candidate(one) for one in found.candidates],
            source=self._desk.geocoder.source,
        )

    async def GetTravelParameter(
        self, request: pb.GetTravelParameterRequest, context: Context
    ) -> pb.TravelParameter:
        """A parameter, and where its value comes from."""
        asked = caller().tenant, request.name, request.agent_id
        return _parameter(await get_parameter(self._desk.data.db, *asked))

    async def SetTravelParameter(
        self, request: pb.SetTravelParameterRequest, context: Context
    ) -> pb.TravelParameter:
        """Sets a parameter for the tenant or one agent."""
        require_whole()
        asked = caller().tenant, request.name, request.value, request.agent_id
        return _parameter(await set_parameter(self._desk.ledger, *asked))


def _comparison(found: Comparison) -> pb.CompareTravelResponse:
    return pb.CompareTravelResponse(
        version=found.version,
        places=found.places,
        drives=found.drives,
        unreachable=found.unreachable,
        bound=_ratio(found.bound),
        guess=_ratio(found.guess),
        worst=[_compared(drive) for drive in found.worst],
    )


def _ratio(ratio: Ratio | None) -> pb.TravelRatio | None:
    if ratio is None:
        return None
    return pb.TravelRatio(
        median=ratio.median, p90=ratio.p90, p99=ratio.p99, most=ratio.most, below_share=ratio.below_share
    )


def _compared(drive: Compared) -> pb.ComparedDrive:
    return pb.ComparedDrive(
        from_point=messages.point(drive.pair[0]),
        to_point=messages.point(drive.pair[1]),
        road=messages.seconds(drive.road),
        bound=messages.seconds(drive.bound),
        guess=messages.seconds(drive.guess),
    )


def _candidate(one: Candidate) -> pb.GeocodeCandidate:
    return pb.GeocodeCandidate(
        point=messages.point(one.place), label=one.label[:300], confidence=one.confidence
    )


def _parameter(shown: Shown) -> pb.TravelParameter:
    return pb.TravelParameter(
        name=shown.name, value=shown.value, source=shown.source.name, description=shown.description
    )
