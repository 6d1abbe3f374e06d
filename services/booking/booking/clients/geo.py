"""geo's itinerary ledger and agents, over gRPC; implements `usecases.ports`."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from booking.domain.contact import Located
from booking.domain.itinerary import AS_PROMISED, Certificate, Hold, Leg, MoveTerms, Reservation, StopPlan
from booking.usecases.ports import (
    REFUSALS,
    Explanation,
    FoundChange,
    FoundDetour,
    FoundDetours,
    FoundSlot,
    FoundSlots,
    NewHold,
    NewStop,
    SlotPosition,
    SlotQuery,
    StartGround,
    StartQuestion,
    StopMove,
)
from giro.common.v1 import travel_pb2
from giro.geo.v1 import geo_pb2, geo_pb2_grpc, ledger_pb2, ledger_pb2_grpc
from kit.errors import FieldViolation, GiroError, Reason, Unavailable
from kit.rpc import status
from kit.rpc.client import Client
from kit.values.latlng import LatLng
from kit.values.window import Window

_SOURCE = "TRAVEL_SOURCE_"
_ESTIMATE = "estimate-"
_AGENTS_A_PAGE = 200
_HIDDEN = " hidden"


class GeoLedger:
    """The ledger. `timeout` seconds after a call its outcome is unknown."""

    def __init__(self, client: Client, timeout: float) -> None:
        self._client, self._timeout = client, timeout
        self._stub: Any = ledger_pb2_grpc.LedgerServiceStub(client.channel)

    async def search(self, tenant: str, query: SlotQuery) -> FoundSlots:
        """The starts that fit, in the ledger's order."""
        found = await self._call(self._stub.SearchSlots, _search_request(query), tenant)
        return FoundSlots(
            slots=[_found_slot(*pair) for pair in zip(found.slots, found.certificates, strict=True)],
            refused=found.refused,
            refused_truncated=found.refused_truncated,
            travel_version=found.travel_version,
            estimated=found.travel_version.startswith(_ESTIMATE),
            incomplete=bool(found.left_out_agent_ids),
        )

    async def detours(self, tenant: str, query: SlotQuery) -> FoundDetours:
        """The best slot of each agent in each window."""
        request = ledger_pb2.FindDetoursRequest(search=_search_request(query))
        found = await self._call(self._stub.FindDetours, request, tenant)
        return FoundDetours(
            detours=list(map(_found_detour, found.detours)),
            travel_version=found.travel_version,
            estimated=found.travel_version.startswith(_ESTIMATE),
            incomplete=bool(found.left_out_agent_ids),
        )

    async def explain(self, tenant: str, question: StartQuestion) -> Explanation:
        """Why a start cannot be had, and what would open it."""
        request = ledger_pb2.ExplainStartRequest(
            plan=plan_message(question.plan),
            windows=[window_message(window) for window in question.windows],
            agent_ids=question.agent_ids,
            as_of=_timestamp(question.as_of),
            granularity=_duration(question.granularity),
            postpone_up_to=_duration(question.postpone_up_to),
            refused=question.refused,
        )
        found = await self._call(self._stub.ExplainStart, request, tenant)
        return Explanation(
            grounds=list(map(_start_ground, found.grounds)),
            changes=list(map(_found_change, found.changes)),
            incomplete=bool(found.left_out_agent_ids),
        )

    async def hold(self, tenant: str, new: NewHold) -> Hold:
        """Keeps a slot; the context is the campaign and who asked for it."""
        request = ledger_pb2.HoldStopRequest(
            hold_id=new.hold_id,
            plan=plan_message(new.plan),
            ttl=_duration(new.ttl),
            context=f"{new.campaign_id} {new.caller_id}{_HIDDEN if new.hidden else ''}",
            slot=None if new.certificate is None else _suggested(new.certificate),
        )
        return _hold(await self._call(self._stub.HoldStop, request, tenant))

    async def get_hold(self, tenant: str, hold_id: str) -> Hold:
        """A hold that has not expired."""
        request = ledger_pb2.GetHoldRequest(hold_id=hold_id)
        return _hold(await self._call(self._stub.GetHold, request, tenant))

    async def release_hold(self, tenant: str, hold_id: str) -> None:
        """Frees a hold."""
        await self._call(self._stub.ReleaseHold, ledger_pb2.ReleaseHoldRequest(hold_id=hold_id), tenant)

    async def reserve(
        self, tenant: str, appointment_id: str, plan: StopPlan, source: str | Certificate | None
    ) -> Reservation:
        """Makes an appointment's stop."""
        request = ledger_pb2.ReserveStopRequest(
            appointment_id=appointment_id,
            plan=plan_message(plan),
            hold_id=source if isinstance(source, str) else "",
            slot=_suggested(source) if isinstance(source, Certificate) else None,
        )
        return reservation_of(await self._call(self._stub.ReserveStop, request, tenant))

    async def move(
        self,
        tenant: str,
        move_id: str,
        appointment_id: str,
        plan: StopPlan,
        terms: MoveTerms = AS_PROMISED,
    ) -> Reservation:
        """Swaps an appointment's stop."""
        request = ledger_pb2.MoveStopRequest(
            move_id=move_id,
            appointment_id=appointment_id,
            plan=plan_message(plan),
            slot=None if terms.certificate is None else _suggested(terms.certificate),
            promised_anew=terms.promised_anew,
        )
        return reservation_of(await self._call(self._stub.MoveStop, request, tenant))

    async def move_each(self, tenant: str, moves: Sequence[StopMove]) -> Sequence[Reservation | GiroError]:
        """Swaps those of these stops that can be."""
        request = ledger_pb2.MoveEachStopRequest(moves=map(move_message, moves))
        made = await self._call(self._stub.MoveEachStop, request, tenant)
        return [_outcome(one) for one in made.outcomes]

    async def reserve_each(self, tenant: str, stops: Sequence[NewStop]) -> Sequence[Reservation | GiroError]:
        """Makes those of these stops that fit."""
        request = ledger_pb2.ReserveEachStopRequest(stops=map(stop_message, stops))
        made = await self._call(self._stub.ReserveEachStop, request, tenant)
        return [_outcome(one) for one in made.outcomes]

    async def settle_stop(self, tenant: str, appointment_id: str) -> None:
        """Frees an appointment's stop and fences its id."""
        request = ledger_pb2.SettleStopRequest(appointment_id=appointment_id)
        await self._call(self._stub.SettleStop, request, tenant)

    async def settle_move(self, tenant: str, move_id: str) -> Reservation | None:
        """The stop that a move made, or None when it never will."""
        request = ledger_pb2.SettleMoveRequest(move_id=move_id)
        settled = await self._call(self._stub.SettleMove, request, tenant)
        return reservation_of(settled.stop) if settled.applied else None

    async def reservation(self, tenant: str, appointment_id: str) -> Reservation:
        """An appointment's present stop."""
        request = ledger_pb2.GetReservationRequest(appointment_id=appointment_id)
        return reservation_of(await self._call(self._stub.GetReservation, request, tenant))

    async def reservations(self, tenant: str) -> Sequence[Reservation]:
        """All stops of appointments."""
        found: list[Reservation] = []
        token = ""
        while True:
            request = ledger_pb2.ListReservationsRequest(page_token=token)
            page = await self._call(self._stub.ListReservations, request, tenant)
            found.extend(map(reservation_of, page.reservations))
            token = page.next_page_token
            if not token:
                return found

    async def _call(self, method: Any, request: Any, tenant: str) -> Any:
        try:
            return await self._client.call(method, request, tenant=tenant, timeout=self._timeout)
        except GiroError as error:
            raise in_our_words(error) from error


class GeoAgents:
    """The agents of geo."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._stub: Any = geo_pb2_grpc.GeoServiceStub(client.channel)

    async def known(self, tenant: str) -> frozenset[str]:
        """Ids of all agents of the tenant."""
        found: set[str] = set()
        token = ""
        while True:
            request = geo_pb2.ListAgentsRequest(page_size=_AGENTS_A_PAGE, page_token=token)
            page: Any = await self._client.call(self._stub.ListAgents, request, tenant=tenant)
            found.update(agent.agent_id for agent in page.agents)
            token = page.next_page_token
            if not token:
                return frozenset(found)

    async def zone(self, tenant: str, agent_id: str) -> str:
        """IANA zone of an agent's calendar. Raises NotFound naming `agent_id`."""
        request = geo_pb2.GetAgentRequest(agent_id=agent_id)
        found: Any = await self._client.call(self._stub.GetAgent, request, tenant=tenant)
        return str(found.calendar.time_zone)


class GeoPlaces:
    """geo's geocoding. `timeout` in seconds for one address."""

    def __init__(self, client: Client, timeout: float) -> None:
        self._client, self._timeout = client, timeout
        self._stub: Any = geo_pb2_grpc.GeoServiceStub(client.channel)

    async def find(self, tenant: str, address: str) -> Located:
        """Where an address is; what needs a pin or is not found has no point."""
        request = geo_pb2.GeocodeRequest(address=address)
        found: Any = await self._client.call(
            self._stub.Geocode, request, tenant=tenant, timeout=self._timeout
        )
        sure = found.state == geo_pb2.GEOCODE_STATE_FOUND and found.HasField("point")
        return Located(_point(found.point) if sure else None)


def in_our_words(error: GiroError) -> GiroError:
    """The same error with fields named as our callers know them: geo's `plan.agent_id` is our `agent_id`."""
    renamed = [
        FieldViolation(found.field.removeprefix("plan."), found.description) for found in error.violations
    ]
    return type(error)(error.reason, error.message, metadata=error.metadata, violations=renamed)


def _found_slot(slot: travel_pb2.SlotAnatomy, certificate: bytes) -> FoundSlot:
    start, end, added = slot.start.seconds, slot.end.seconds, slot.added_travel.seconds
    return FoundSlot(slot.agent_id, start, end, slot, added, slot.grade, certificate)


def _found_detour(one: ledger_pb2.Detour) -> FoundDetour:
    start, added = one.start.seconds, one.added_travel.seconds
    return FoundDetour(one.agent_id, one.window, start, added, one.grade, one.certificate)


def _search_request(query: SlotQuery) -> ledger_pb2.SearchSlotsRequest:
    return ledger_pb2.SearchSlotsRequest(
        point=_point_message(query.point),
        duration=_duration(query.duration),
        windows=[window_message(window) for window in query.windows],
        not_before=_timestamp(query.not_before),
        as_of=_timestamp(query.as_of),
        agent_ids=query.agent_ids,
        skills=query.skills,
        buffer=_duration(query.buffer),
        limit=query.limit,
        granularity=_duration(query.granularity),
        explain=query.explain,
        ideal_up_to=_duration(query.ideal_up_to),
        ok_up_to=_duration(query.ok_up_to),
        starts=query.starts,
        near=[_timestamp(near) for near in query.near],
        after=None if query.after is None else _position(query.after),
        postcode=query.postcode,
    )


def _position(last: SlotPosition) -> ledger_pb2.SlotPosition:
    return ledger_pb2.SlotPosition(
        added_travel=Duration(seconds=last.added_travel),
        start=Timestamp(seconds=last.start),
        agent_id=last.agent_id,
    )


def _suggested(certificate: Certificate) -> ledger_pb2.SuggestedStart:
    return ledger_pb2.SuggestedStart(
        certificate=certificate.packed, expires_at=_timestamp(certificate.expires_at)
    )


def _start_ground(one: travel_pb2.StartGround) -> StartGround:
    return StartGround(one.reason, one.short_seconds if one.HasField("short_seconds") else None)


def _found_change(one: travel_pb2.StartChange) -> FoundChange:
    return FoundChange(one.kind, _span(one.by), _moment(one.start), one.agent_id, one.appointment_id)


def plan_message(plan: StopPlan) -> ledger_pb2.StopPlan:
    """A plan as geo takes it."""
    return ledger_pb2.StopPlan(
        agent_id=plan.agent_id,
        window=window_message(plan.window),
        point=_point_message(plan.point),
        buffer=_duration(plan.buffer),
        skills=plan.skills,
        postcode=plan.postcode,
        arrival=None if plan.arrival is None else window_message(plan.arrival),
    )


def stop_message(stop: NewStop) -> ledger_pb2.ReserveStopRequest:
    """A stop to make, afresh."""
    return ledger_pb2.ReserveStopRequest(appointment_id=stop.appointment_id, plan=plan_message(stop.plan))


def move_message(move: StopMove) -> ledger_pb2.MoveStopRequest:
    """A move as geo takes it."""
    return ledger_pb2.MoveStopRequest(
        move_id=move.move_id,
        appointment_id=move.appointment_id,
        plan=plan_message(move.plan),
        promised_anew=move.promised_anew,
    )


def _outcome(message: ledger_pb2.MoveOutcome | ledger_pb2.ReserveOutcome) -> Reservation | GiroError:
    if message.HasField("stop"):
        return reservation_of(message.stop)
    refusal = status.error_in(message.refusal)
    if not isinstance(refusal, REFUSALS):  # not known whether it was made
        raise Unavailable(Reason.SERVICE_UNAVAILABLE, "geo told no outcome", metadata={"service": "geo"})
    return in_our_words(refusal)


def _plan(message: ledger_pb2.StopPlan) -> StopPlan:
    return StopPlan(
        agent_id=message.agent_id,
        window=Window(_moment(message.window.start), _moment(message.window.end)),
        point=_point(message.point),
        buffer=_span(message.buffer),
        skills=tuple(message.skills),
        postcode=message.postcode,
        arrival=_arrival(message),
    )


def _arrival(message: ledger_pb2.StopPlan) -> Window | None:
    if not message.HasField("arrival"):
        return None
    return Window(_moment(message.arrival.start), _moment(message.arrival.end))


def _hold(message: ledger_pb2.HeldStop) -> Hold:
    return Hold(
        hold_id=message.hold_id,
        campaign_id=message.context.partition(" ")[0],
        plan=_plan(message.plan),
        expires_at=_moment(message.expires_at),
        leg_before=_leg(message, "leg_before"),
        leg_after=_leg(message, "leg_after"),
        hidden=message.context.endswith(_HIDDEN),
    )


def reservation_of(message: ledger_pb2.ReservedStop) -> Reservation:
    """A stop as geo tells it."""
    return Reservation(
        appointment_id=message.appointment_id,
        plan=_plan(message.plan),
        leg_before=_leg(message, "leg_before"),
        leg_after=_leg(message, "leg_after"),
    )


def _leg(message: ledger_pb2.HeldStop | ledger_pb2.ReservedStop, field: Any) -> Leg | None:
    if not message.HasField(field):
        return None
    leg: travel_pb2.Leg = getattr(message, field)
    return Leg(
        travel=_span(leg.travel),
        metres=leg.metres,
        source=travel_pb2.TravelSource.Name(leg.source).removeprefix(_SOURCE),
        version=leg.version,
        via=leg.via,
        buffer=_span(leg.buffer),
        from_point=_point(leg.from_point) if leg.HasField("from_point") else None,
        to_point=_point(leg.to_point) if leg.HasField("to_point") else None,
    )


def _point_message(point: LatLng) -> travel_pb2.Point:
    return travel_pb2.Point(latitude=point.lat, longitude=point.lng)


def _point(message: travel_pb2.Point) -> LatLng:
    return LatLng(message.latitude, message.longitude)


def window_message(window: Window) -> travel_pb2.TimeWindow:
    """A window as geo takes it."""
    return travel_pb2.TimeWindow(start=_timestamp(window.start), end=_timestamp(window.end))


def _timestamp(moment: datetime) -> Timestamp:
    return Timestamp(seconds=int(moment.timestamp()))


def _moment(stamp: Timestamp) -> datetime:
    return datetime.fromtimestamp(stamp.seconds, UTC).replace(microsecond=stamp.nanos // 1000)


def _duration(span: timedelta) -> Duration:
    return Duration(seconds=int(span.total_seconds()))


def _span(message: Duration) -> timedelta:
    return timedelta(seconds=message.seconds)
