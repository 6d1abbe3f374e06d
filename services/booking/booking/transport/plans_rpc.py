"""PlansService: days with less driving."""

from datetime import timedelta
from typing import Any, Final

from booking.transport import commands, fields, messages
from booking.usecases.apply_plan import PlannedStart, apply_plan
from booking.usecases.book_plan import PlannedVisit, book_plan
from booking.usecases.desk import Desk
from booking.usecases.propose_plan import ProposedPlan, ProposePlan, propose_plan
from booking.usecases.repair_ports import Rounds
from giro.booking.v1 import plans_pb2 as pb
from giro.booking.v1.plans_pb2_grpc import PlansServiceServicer

_SEARCH_TIME: Final = timedelta(seconds=3)


class PlansServicer(PlansServiceServicer):
    """Proposes, applies and books."""

    def __init__(self, desk: Desk, rounds: Rounds) -> None:
        self._desk, self._rounds = desk, rounds

    async def ProposePlan(self, request: pb.ProposePlanRequest, _: Any) -> pb.ProposePlanResponse:
        """Less driving within what was promised."""
        return _proposal(await propose_plan(self._desk, self._rounds, _command(request)))

    async def ApplyPlan(self, request: pb.ApplyPlanRequest, _: Any) -> pb.ApplyPlanResponse:
        """All of it, or nothing."""
        moves = [
            PlannedStart(one.appointment_id, fields.instant(one.start, f"moves[{at}].start"), one.version)
            for at, one in enumerate(request.moves)
        ]
        claim = fields.claim(request, request.request_id)
        cards = await apply_plan(self._desk, self._rounds, moves, claim)
        return pb.ApplyPlanResponse(appointments=map(messages.card, cards))

    async def BookPlan(self, request: pb.BookPlanRequest, _: Any) -> pb.BookPlanResponse:
        """All of them, or none."""
        visits = [_new_visit(one, f"visits[{at}]") for at, one in enumerate(request.visits)]
        claim = fields.claim(request, request.request_id)
        made = await book_plan(self._desk, self._rounds, visits, claim)
        return pb.BookPlanResponse(appointments=map(messages.appointment, made))


def _new_visit(visit: pb.PlanVisit, at: str) -> PlannedVisit:
    return PlannedVisit(
        campaign_id=visit.campaign_id,
        contact_id=visit.contact_id,
        agent_id=visit.agent_id,
        start=fields.instant(visit.start, f"{at}.start"),
        duration=fields.span(visit.duration, f"{at}.duration"),
        note=visit.note,
        promise=commands.promise(visit.promise),
    )


def _command(request: pb.ProposePlanRequest) -> ProposePlan:
    frozen, search = request.HasField("frozen_until"), request.HasField("search_time")
    return ProposePlan(
        agent_ids=tuple(request.agent_ids),
        first_day=request.first_day,
        days=request.days,
        keep_order=request.keep_order,
        frozen_until=fields.instant(request.frozen_until, "frozen_until") if frozen else None,
        search_time=fields.span(request.search_time, "search_time") if search else _SEARCH_TIME,
        seed=request.seed,
    )


def _proposal(proposed: ProposedPlan) -> pb.ProposePlanResponse:
    found = proposed.found
    message = pb.ProposePlanResponse(
        visits=[
            pb.PlannedMove(
                appointment=messages.appointment(appointment),
                contact=messages.contact(contact),
                start=messages.timestamp(move.window.start),
                end=messages.timestamp(move.window.end),
                agent_id=move.agent_id,
            )
            for appointment, contact, move in proposed.visits
        ],
        proved_best=found.proved_best,
        travel_version=found.travel_version,
        flexible=proposed.flexible,
    )
    message.travel_before.FromTimedelta(found.travel_before)
    message.travel_after.FromTimedelta(found.travel_after)
    return message
