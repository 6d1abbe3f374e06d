"""The gRPC face of planning: message to command, proposals to messages, progress as it comes."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from contextlib import aclosing
from datetime import timedelta
from itertools import pairwise
from typing import Any, Final

import grpc
from google.protobuf.duration_pb2 import Duration

from geo.domain.duties import DutyView
from geo.domain.tours import Refusal
from geo.domain.zones import plain_postcode
from geo.transport import messages
from geo.transport.reach import require_agent
from geo.usecases.optimize_day import LONGEST_SPAN_DAYS, OptimizeDay, Relax, optimize_day
from geo.usecases.plan_tour import LONGEST_SPAN_DAYS as LONGEST_TOUR_DAYS
from geo.usecases.plan_tour import OpenVisit, PlanTour, plan_tour
from geo.usecases.repair_day import PROMISE_KEPT, QUICK, RepairDay, repair_day
from geo.usecases.rounds.planner import USUAL, Budget, Planner
from geo.usecases.rounds.proposal import Change, LeftOut, Proposal
from geo.usecases.solver_ports import Progress
from geo.usecases.validate_route import RouteStop, ValidateRoute, validate_route
from giro.common.v1 import errors_pb2, travel_pb2
from giro.geo.v1 import planning_pb2 as pb
from giro.geo.v1 import planning_pb2_grpc
from kit.errors import Reason
from kit.rpc.context import caller
from kit.values.window import Window

Context = grpc.aio.ServicerContext[object, object]

_LONGEST_AWAY: Final = timedelta(hours=24)
_LONGEST_PROMISE: Final = timedelta(days=62)
_RELAXED: Final = {
    pb.RELAX_UNSPECIFIED: Relax.SEQUENCE,
    pb.RELAX_NONE: Relax.NONE,
    pb.RELAX_TIMES: Relax.TIMES,
    pb.RELAX_SEQUENCE: Relax.SEQUENCE,
    pb.RELAX_ALL: Relax.ALL,
}


class PlanningServicer(planning_pb2_grpc.PlanningServiceServicer):
    """giro.geo.v1.PlanningService."""

    def __init__(self, planner: Planner) -> None:
        self._planner = planner

    async def ValidateRoute(
        self, request: pb.ValidateRouteRequest, context: Context
    ) -> pb.ValidateRouteResponse:
        """What is wrong with a round."""
        require_agent(request.agent_id)
        command = ValidateRoute(request.agent_id, _route(request), _limit(request))
        verdict = await validate_route(self._planner.ledger, caller().tenant, command)
        violations = [
            pb.RouteViolation(reference=f.reference, reason=_reason(f.reason), seconds=f.seconds)
            for f in verdict.faults
        ]
        return pb.ValidateRouteResponse(
            violations=violations,
            travel=messages.seconds(verdict.travel),
            travel_version=verdict.travel_version,
        )

    async def OptimizeDay(
        self, request: pb.OptimizeDayRequest, context: Context
    ) -> AsyncIterator[pb.PlanUpdate]:
        """Re-orders what is flexible."""
        command = OptimizeDay(
            agent_ids=_agents(request.agent_ids),
            span=messages.window(request.span, "span", timedelta(days=LONGEST_SPAN_DAYS)),
            flexible=_promises(request.flexible, "flexible"),
            frozen_until=messages.instant(request.frozen_until, "frozen_until")
            if request.HasField("frozen_until")
            else None,
            relax=_RELAXED[request.relax],
            travel_limit=_limit(request),
            budget=_budget(request),
        )
        async for update in _updates(optimize_day(self._planner, caller().tenant, command)):
            yield update

    async def PlanTour(self, request: pb.PlanTourRequest, context: Context) -> AsyncIterator[pb.PlanUpdate]:
        """Places open visits."""
        command = PlanTour(
            visits=tuple(_open(visit, f"visits[{index}]") for index, visit in enumerate(request.visits)),
            agent_ids=_agents(request.agent_ids),
            span=messages.window(request.span, "span", timedelta(days=LONGEST_TOUR_DAYS)),
            travel_limit=_limit(request),
            budget=_budget(request),
        )
        async for update in _updates(plan_tour(self._planner, caller().tenant, command)):
            yield update

    async def RepairDay(self, request: pb.RepairDayRequest, context: Context) -> AsyncIterator[pb.PlanUpdate]:
        """Repairs a day."""
        require_agent(request.agent_id)
        away = request.WhichOneof("happened") == "unavailable"
        command = RepairDay(
            agent_id=request.agent_id,
            delay=0 if away else _whole(request.delay, "delay"),
            unavailable=messages.window(request.unavailable, "unavailable", _LONGEST_AWAY) if away else None,
            helpers=_agents(request.helper_agent_ids),
            promised=_promises(request.promised, "promised"),
            tolerance=_whole(request.tolerance, "tolerance"),
            eligible=_eligible(request),
            budget=_budget(request, QUICK),
        )
        async for update in _updates(repair_day(self._planner, caller().tenant, command)):
            yield update


async def _updates(told: AsyncGenerator[Progress | Proposal, None]) -> AsyncIterator[pb.PlanUpdate]:
    """A call that ends early closes the generator, which ends the search."""
    async with aclosing(told):
        async for one in told:
            if isinstance(one, Progress):
                progress = pb.PlanProgress(share=one.document["share"], best_cost=one.document["best"])
                yield pb.PlanUpdate(progress=progress)
            else:
                yield pb.PlanUpdate(plan=_plan(one))


# --- in


def _agents(ids: Iterable[str]) -> tuple[str, ...]:
    for agent_id in ids:
        require_agent(agent_id)
    return tuple(ids)


def _whole(duration: Duration, field: str) -> int:
    return int(messages.span(duration, field).total_seconds())


def _limit(request: Any) -> int | None:
    return _whole(request.max_travel, "max_travel") if request.HasField("max_travel") else None


def _eligible(request: pb.RepairDayRequest) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for index, one in enumerate(request.eligible):
        if one.appointment_id in found:
            field = f"eligible[{index}].appointment_id"
            raise messages.invalid(field, "names an appointment for the second time")
        found[one.appointment_id] = frozenset(one.agent_ids)
    return found


def _budget(request: Any, usual: Budget = USUAL) -> Budget:
    """Seconds may be parts here: it is the one duration that is not of anybody's agenda."""
    asked = request.budget
    time = asked.time.seconds + asked.time.nanos / 1e9 if asked.HasField("time") else usual.seconds
    return Budget(time, asked.seed, asked.reproducible)


def _promises(flexible: Sequence[pb.FlexibleAppointment], field: str) -> dict[str, tuple[Window, ...]]:
    found: dict[str, tuple[Window, ...]] = {}
    for index, one in enumerate(flexible):
        if one.appointment_id in found:
            raise messages.invalid(
                f"{field}[{index}].appointment_id", "names an appointment for the second time"
            )
        found[one.appointment_id] = _windows(one.promised, f"{field}[{index}].promised")
    return found


def _windows(windows: Sequence[travel_pb2.TimeWindow], field: str) -> tuple[Window, ...]:
    found = [messages.window(one, f"{field}[{index}]", _LONGEST_PROMISE) for index, one in enumerate(windows)]
    for index, (earlier, later) in enumerate(pairwise(found), 1):
        if later.start < earlier.end:
            raise messages.invalid(f"{field}[{index}]", "must come after the one before")
    return tuple(found)


def _route(request: pb.ValidateRouteRequest) -> tuple[RouteStop, ...]:
    stops = [_stop(stop, f"stops[{index}]") for index, stop in enumerate(request.stops)]
    names = [stop.reference for stop in stops]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise messages.invalid(f"stops[{index}].reference", "names a visit for the second time")
    return tuple(stops)


def _stop(stop: pb.RouteStop, field: str) -> RouteStop:
    return RouteStop(
        reference=stop.reference,
        place=messages.place(stop.point, f"{field}.point"),
        window=messages.window(stop.window, f"{field}.window", messages.LONGEST_VISIT),
        promised=_windows(stop.promised, f"{field}.promised"),
        skills=tuple(stop.skills),
        buffer=_whole(stop.buffer, f"{field}.buffer"),
        postcode=plain_postcode(stop.postcode),
    )


def _open(visit: pb.OpenVisit, field: str) -> OpenVisit:
    return OpenVisit(
        reference=visit.reference,
        place=messages.place(visit.point, f"{field}.point"),
        duration=_whole(visit.duration, f"{field}.duration"),
        windows=_windows(visit.windows, f"{field}.windows"),
        skills=tuple(sorted(set(visit.skills))),
        buffer=_whole(visit.buffer, f"{field}.buffer"),
        priority=visit.priority or 3,
        postcode=plain_postcode(visit.postcode),
    )


# --- out


def _plan(found: Proposal) -> pb.RoundPlan:
    return pb.RoundPlan(
        visits=[_planned(change) for change in sorted(found.changes, key=_by_agent_and_time)],
        left_out=[_left_out(one) for one in found.left_out],
        travel_before=messages.seconds(found.travel_before),
        travel_after=messages.seconds(found.travel_after),
        proved_best=found.proved,
        stopped_by_time=found.by_time,
        travel_version=found.travel_version,
    )


def _by_agent_and_time(change: Change) -> tuple[str, object]:
    return change.agent_id, change.window.start


def _planned(change: Change) -> pb.PlannedVisit:
    message = pb.PlannedVisit(
        reference=change.wanted.reference,
        agent_id=change.agent_id,
        window=messages.window_out(change.window),
        change=pb.VISIT_CHANGE_NEW,
    )
    if change.wanted.booked is not None:
        _, stop = change.wanted.booked
        before = Window(stop.starts_at, stop.ends_at)
        message.previous_agent_id = change.previous_agent_id
        message.previous_window.CopyFrom(messages.window_out(before))
        message.change = _change(change.previous_agent_id != change.agent_id, before != change.window)
        message.call_needed = change.option >= PROMISE_KEPT
    return message


def _change(other_agent: bool, other_time: bool) -> pb.VisitChange.ValueType:
    if other_agent:
        return pb.VISIT_CHANGE_MOVED if other_time else pb.VISIT_CHANGE_REASSIGNED
    return pb.VISIT_CHANGE_RETIMED


def _left_out(one: LeftOut) -> pb.LeftOutVisit:
    refusals = [_refusal(view, refusal) for view, refusal in one.refusals]
    shiftless = _reason(Reason.OUTSIDE_SHIFT)
    refusals += [pb.ShiftRefusal(agent_id=agent, reason=shiftless) for agent in one.shiftless]
    return pb.LeftOutVisit(reference=one.wanted.reference, refusals=refusals, more_refusals=one.more)


def _refusal(view: DutyView, refusal: Refusal) -> pb.ShiftRefusal:
    return pb.ShiftRefusal(
        agent_id=view.agenda.agent_id,
        shift=messages.window_out(view.shift.window),
        reason=_reason(refusal.reason),
        short_seconds=refusal.seconds,
    )


def _reason(reason: Reason) -> errors_pb2.ErrorReason.ValueType:
    return errors_pb2.ErrorReason.Value(f"ERROR_REASON_{reason}")
