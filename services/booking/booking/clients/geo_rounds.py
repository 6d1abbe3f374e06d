"""geo's planning and the changes of several stops, over gRPC; implements `usecases.repair_ports`."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from google.protobuf.duration_pb2 import Duration

from booking.clients.geo import in_our_words, move_message, reservation_of, stop_message, window_message
from booking.domain.itinerary import Reservation
from booking.usecases.ports import NewStop, StopMove
from booking.usecases.repair_ports import (
    FoundMove,
    FoundRefusal,
    FoundRepair,
    FoundUnplaced,
    PlanQuery,
    RepairQuery,
)
from giro.common.v1 import errors_pb2
from giro.geo.v1 import ledger_pb2, ledger_pb2_grpc, planning_pb2, planning_pb2_grpc
from kit.errors import GiroError, Reason, Unavailable
from kit.rpc.client import Client
from kit.values.window import Window

_AROUND_THE_SEARCH: Final = 12.0
"""Seconds for reading, a worker that starts, and the check of the plan."""


class GeoRounds:
    """Rounds of several stops. `timeout` seconds after a change its outcome is unknown."""

    def __init__(self, client: Client, timeout: float) -> None:
        self._client, self._timeout = client, timeout
        self._ledger: Any = ledger_pb2_grpc.LedgerServiceStub(client.channel)
        self._planning: Any = planning_pb2_grpc.PlanningServiceStub(client.channel)

    async def repair(self, tenant: str, query: RepairQuery) -> FoundRepair:
        """The plan; progress is passed over."""
        seconds = query.search_time.total_seconds() + _AROUND_THE_SEARCH
        update = await self._client.last(
            self._planning.RepairDay, _request(query), tenant=tenant, timeout=seconds
        )
        if update is None or not update.HasField("plan"):
            raise Unavailable(Reason.SOLVER_UNAVAILABLE, "geo told no plan", metadata={"service": "geo"})
        return _found(update.plan)

    async def optimize(self, tenant: str, query: PlanQuery) -> FoundRepair:
        """The plan; progress is passed over."""
        seconds = query.search_time.total_seconds() + _AROUND_THE_SEARCH
        update = await self._client.last(
            self._planning.OptimizeDay, _optimize(query), tenant=tenant, timeout=seconds
        )
        if update is None or not update.HasField("plan"):
            raise Unavailable(Reason.SOLVER_UNAVAILABLE, "geo told no plan", metadata={"service": "geo"})
        return _found(update.plan)

    async def move_all(
        self, tenant: str, moves: Sequence[StopMove], given_up: Sequence[str]
    ) -> Sequence[Reservation]:
        """Swaps and frees, or nothing."""
        request = ledger_pb2.MoveStopsRequest(
            moves=map(move_message, moves), settled_appointment_ids=given_up
        )
        return await self._made(self._ledger.MoveStops, request, tenant)

    async def reserve_all(self, tenant: str, stops: Sequence[NewStop]) -> Sequence[Reservation]:
        """Makes all, or nothing."""
        request = ledger_pb2.ReserveStopsRequest(stops=map(stop_message, stops))
        return await self._made(self._ledger.ReserveStops, request, tenant)

    async def _made(self, method: Any, request: Any, tenant: str) -> Sequence[Reservation]:
        try:
            made = await self._client.call(method, request, tenant=tenant, timeout=self._timeout)
        except GiroError as error:
            raise in_our_words(error) from error
        return [reservation_of(stop) for stop in made.stops]


def _request(query: RepairQuery) -> planning_pb2.RepairDayRequest:
    request = planning_pb2.RepairDayRequest(
        agent_id=query.agent_id,
        helper_agent_ids=query.helpers,
        tolerance=_duration(query.tolerance),
        budget=planning_pb2.SearchBudget(time=_duration(query.search_time), seed=query.seed),
        eligible=[
            planning_pb2.EligibleAgents(appointment_id=appointment, agent_ids=agents)
            for appointment, agents in query.eligible.items()
        ],
    )
    if isinstance(query.happened, Window):
        request.unavailable.CopyFrom(window_message(query.happened))
    else:
        request.delay.CopyFrom(_duration(query.happened))
    return request


def _optimize(query: PlanQuery) -> planning_pb2.OptimizeDayRequest:
    request = planning_pb2.OptimizeDayRequest(
        agent_ids=query.agent_ids,
        span=window_message(query.span),
        flexible=[
            planning_pb2.FlexibleAppointment(
                appointment_id=appointment, promised=[window_message(window) for window in windows]
            )
            for appointment, windows in query.flexible.items()
        ],
        relax=planning_pb2.RELAX_TIMES if query.keep_order else planning_pb2.RELAX_SEQUENCE,
        budget=planning_pb2.SearchBudget(
            time=_duration(query.search_time), seed=query.seed, reproducible=True
        ),
    )
    if query.frozen_until is not None:
        request.frozen_until.FromDatetime(query.frozen_until)
    return request


def _duration(span: timedelta) -> Duration:
    made = Duration()
    made.FromTimedelta(span)
    return made


def _found(plan: planning_pb2.RoundPlan) -> FoundRepair:
    return FoundRepair(
        moves=[_move(visit) for visit in plan.visits],
        unplaced=[_unplaced(one) for one in plan.left_out],
        travel_before=plan.travel_before.ToTimedelta(),
        travel_after=plan.travel_after.ToTimedelta(),
        proved_best=plan.proved_best,
        travel_version=plan.travel_version,
    )


def _unplaced(visit: planning_pb2.LeftOutVisit) -> FoundUnplaced:
    refusals = [
        FoundRefusal(each.agent_id, _reason(each.reason), each.short_seconds) for each in visit.refusals
    ]
    return FoundUnplaced(visit.reference, refusals)


def _reason(reason: errors_pb2.ErrorReason.ValueType) -> str:
    return errors_pb2.ErrorReason.Name(reason).removeprefix("ERROR_REASON_")


def _move(visit: planning_pb2.PlannedVisit) -> FoundMove:
    start = datetime.fromtimestamp(visit.window.start.seconds, UTC)
    end = datetime.fromtimestamp(visit.window.end.seconds, UTC)
    return FoundMove(visit.reference, visit.agent_id, Window(start, end), visit.call_needed)
