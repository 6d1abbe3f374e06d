"""The gRPC face of the itinerary ledger, for other services: message to command, domain to message."""

from typing import Any

import grpc

from geo.domain.certificate import Certified, read
from geo.transport import messages
from geo.transport.search_calls import SearchCalls
from geo.usecases.get_hold import get_hold
from geo.usecases.get_reservation import get_reservation, list_reservations
from geo.usecases.hold_stop import HoldStop, hold_stop
from geo.usecases.ledger import Ledger
from geo.usecases.move_each import Outcome, move_each
from geo.usecases.move_stop import MoveStop, move_stop
from geo.usecases.move_stops import MoveStops, move_stops
from geo.usecases.release_hold import release_hold
from geo.usecases.reserve_each import reserve_each
from geo.usecases.reserve_stop import ReserveStop, reserve_stop
from geo.usecases.reserve_stops import reserve_stops
from geo.usecases.settle_move import settle_move
from geo.usecases.settle_stop import settle_stop
from giro.geo.v1 import ledger_pb2 as pb
from giro.geo.v1 import ledger_pb2_grpc
from kit.errors import GiroError
from kit.rpc import status
from kit.rpc.context import caller

_CERTIFICATE = "slot.certificate"

Context = grpc.aio.ServicerContext[object, object]

_PAGE = 1000


class LedgerServicer(ledger_pb2_grpc.LedgerServiceServicer):
    """giro.geo.v1.LedgerService."""

    def __init__(self, ledger: Ledger, search: SearchCalls) -> None:
        self._ledger, self._search = ledger, search

    async def SearchSlots(self, request: pb.SearchSlotsRequest, context: Context) -> pb.SearchSlotsResponse:
        """The starts that fit."""
        return await self._search.search_slots(request)

    async def FindDetours(self, request: pb.FindDetoursRequest, context: Context) -> pb.FindDetoursResponse:
        """The best slot of each agent in each window."""
        return await self._search.find_detours(request)

    async def ExplainStart(
        self, request: pb.ExplainStartRequest, context: Context
    ) -> pb.ExplainStartResponse:
        """Reasons and changes."""
        return await self._search.explain_start(request)

    async def HoldStop(self, request: pb.HoldStopRequest, context: Context) -> pb.HeldStop:
        """Keeps a slot."""
        ttl = messages.span(request.ttl, "ttl")
        command = HoldStop(
            request.hold_id, messages.plan(request.plan), ttl, request.context, certified(request)
        )
        return messages.held(await hold_stop(self._ledger, caller().tenant, command))

    async def GetHold(self, request: pb.GetHoldRequest, context: Context) -> pb.HeldStop:
        """One hold."""
        return messages.held(await get_hold(self._ledger, caller().tenant, request.hold_id))

    async def ReleaseHold(self, request: pb.ReleaseHoldRequest, context: Context) -> pb.ReleaseHoldResponse:
        """Frees a hold."""
        await release_hold(self._ledger, caller().tenant, request.hold_id)
        return pb.ReleaseHoldResponse()

    async def ReserveStop(self, request: pb.ReserveStopRequest, context: Context) -> pb.ReservedStop:
        """Makes an appointment's stop."""
        return messages.reserved(await reserve_stop(self._ledger, caller().tenant, _reserve(request)))

    async def MoveStop(self, request: pb.MoveStopRequest, context: Context) -> pb.ReservedStop:
        """Swaps an appointment's stop."""
        command = _move(request)
        return messages.reserved(await move_stop(self._ledger, caller().tenant, command))

    async def MoveStops(self, request: pb.MoveStopsRequest, context: Context) -> pb.MoveStopsResponse:
        """Swaps several appointments' stops, or none."""
        command = MoveStops(tuple(map(_move, request.moves)), tuple(request.settled_appointment_ids))
        moved = await move_stops(self._ledger, caller().tenant, command)
        return pb.MoveStopsResponse(stops=[messages.reserved(one) for one in moved])

    async def MoveEachStop(
        self, request: pb.MoveEachStopRequest, context: Context
    ) -> pb.MoveEachStopResponse:
        """Swaps several appointments' stops, those that can be."""
        found = await move_each(self._ledger, caller().tenant, list(map(_move, request.moves)))
        return pb.MoveEachStopResponse(outcomes=[pb.MoveOutcome(**_outcome(one)) for one in found])

    async def ReserveEachStop(
        self, request: pb.ReserveEachStopRequest, context: Context
    ) -> pb.ReserveEachStopResponse:
        """Makes several appointments' stops, those that fit."""
        found = await reserve_each(self._ledger, caller().tenant, list(map(_reserve, request.stops)))
        return pb.ReserveEachStopResponse(outcomes=[pb.ReserveOutcome(**_outcome(one)) for one in found])

    async def ReserveStops(
        self, request: pb.ReserveStopsRequest, context: Context
    ) -> pb.ReserveStopsResponse:
        """Makes several appointments' stops, or none."""
        made = await reserve_stops(self._ledger, caller().tenant, list(map(_reserve, request.stops)))
        return pb.ReserveStopsResponse(stops=[messages.reserved(one) for one in made])

    async def SettleStop(self, request: pb.SettleStopRequest, context: Context) -> pb.SettleStopResponse:
        """Frees an appointment's stop for ever."""
        released = await settle_stop(self._ledger, caller().tenant, request.appointment_id)
        return pb.SettleStopResponse(released=released)

    async def SettleMove(self, request: pb.SettleMoveRequest, context: Context) -> pb.SettleMoveResponse:
        """Tells a move's fate, for ever."""
        settled = await settle_move(self._ledger, caller().tenant, request.move_id)
        stop = None if settled.stop is None else messages.reserved(settled.stop)
        return pb.SettleMoveResponse(applied=settled.applied, stop=stop)

    async def GetReservation(self, request: pb.GetReservationRequest, context: Context) -> pb.ReservedStop:
        """The present stop of one appointment."""
        found = await get_reservation(self._ledger, caller().tenant, request.appointment_id)
        return messages.reserved(found)

    async def ListReservations(
        self, request: pb.ListReservationsRequest, context: Context
    ) -> pb.ListReservationsResponse:
        """A page of the appointments that have a stop."""
        size = request.page_size or _PAGE
        after = messages.page_after(request.page_token)
        found = await list_reservations(self._ledger, caller().tenant, after, size + 1)
        page = [messages.reserved(one) for one in found[:size]]
        more = messages.page_token(found[size - 1].appointment_id) if len(found) > size else ""
        return pb.ListReservationsResponse(reservations=page, next_page_token=more)


def certified(
    request: pb.HoldStopRequest | pb.ReserveStopRequest | pb.MoveStopRequest,
) -> Certified | None:
    """What a suggested slot rests on. Raises InvalidInput for bytes that this service did not make."""
    if not request.HasField("slot"):
        return None
    try:
        certificate = read(request.slot.certificate)
    except ValueError as refused:
        raise messages.invalid(_CERTIFICATE, str(refused)) from None
    return Certified(certificate, messages.instant(request.slot.expires_at, "slot.expires_at"))


def _reserve(request: pb.ReserveStopRequest) -> ReserveStop:
    plan = messages.plan(request.plan)
    return ReserveStop(request.appointment_id, plan, request.hold_id, certified(request))


def _move(request: pb.MoveStopRequest) -> MoveStop:
    plan = messages.plan(request.plan)
    return MoveStop(request.move_id, request.appointment_id, plan, request.promised_anew, certified(request))


def _outcome(found: Outcome) -> dict[str, Any]:
    if isinstance(found, GiroError):
        return {"refusal": status.status_of(found)}
    return {"stop": messages.reserved(found)}
