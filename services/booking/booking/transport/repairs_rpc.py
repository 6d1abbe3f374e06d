"""RepairsService: days that went wrong."""

from datetime import timedelta
from typing import Any, Final

from booking.transport import fields, messages
from booking.usecases.apply_repair import ApplyRepair, WantedCancellation, WantedMove, apply_repair
from booking.usecases.desk import Desk
from booking.usecases.propose_repair import ProposedRepair, Repaired, Unplaced, propose_repair
from booking.usecases.repair_ports import RepairQuery, Rounds
from giro.booking.v1 import repairs_pb2 as pb
from giro.booking.v1.repairs_pb2_grpc import RepairsServiceServicer
from giro.common.v1 import errors_pb2
from kit.values.window import Window

_SEARCH_TIME: Final = timedelta(seconds=3)


class RepairsServicer(RepairsServiceServicer):
    """Proposes and applies."""

    def __init__(self, desk: Desk, rounds: Rounds) -> None:
        self._desk, self._rounds = desk, rounds

    async def ProposeRepair(self, request: pb.ProposeRepairRequest, _: Any) -> pb.ProposeRepairResponse:
        """The smallest change."""
        return _proposal(await propose_repair(self._desk, self._rounds, _query(request)))

    async def ApplyRepair(self, request: pb.ApplyRepairRequest, _: Any) -> pb.ApplyRepairResponse:
        """All of it, or nothing."""
        cards = await apply_repair(self._desk, self._rounds, _command(request))
        return pb.ApplyRepairResponse(appointments=map(messages.card, cards))


def _query(request: pb.ProposeRepairRequest) -> RepairQuery:
    return RepairQuery(
        agent_id=request.agent_id,
        happened=_happened(request),
        helpers=tuple(request.helper_agent_ids),
        tolerance=fields.span(request.tolerance, "tolerance"),
        eligible={},
        search_time=fields.span(request.search_time, "search_time")
        if request.HasField("search_time")
        else _SEARCH_TIME,
        seed=request.seed,
    )


def _happened(request: pb.ProposeRepairRequest) -> timedelta | Window:
    if request.HasField("unavailable"):
        return fields.window(request.unavailable, "unavailable")
    return fields.span(request.delay, "delay")


def _command(request: pb.ApplyRepairRequest) -> ApplyRepair:
    starts = [fields.instant(one.start, f"moves[{n}].start") for n, one in enumerate(request.moves)]
    moves = [
        WantedMove(one.appointment_id, one.agent_id, start, one.version)
        for one, start in zip(request.moves, starts, strict=True)
    ]
    return ApplyRepair(
        moves=tuple(moves),
        cancellations=tuple(WantedCancellation(o.appointment_id, o.version) for o in request.cancellations),
        note=request.note,
        claim=fields.claim(request, request.request_id),
    )


def _proposal(proposed: ProposedRepair) -> pb.ProposeRepairResponse:
    found = proposed.found
    message = pb.ProposeRepairResponse(
        visits=map(_repaired, proposed.repaired),
        unplaced=map(_unplaced, proposed.unplaced),
        holds_in_the_way=proposed.holds_in_the_way,
        proved_best=found.proved_best,
        travel_version=found.travel_version,
    )
    message.travel_before.FromTimedelta(found.travel_before)
    message.travel_after.FromTimedelta(found.travel_after)
    return message


def _repaired(one: Repaired) -> pb.RepairedVisit:
    return pb.RepairedVisit(
        appointment=messages.appointment(one.appointment),
        contact=messages.contact(one.contact),
        agent_id=one.move.agent_id,
        start=messages.timestamp(one.move.window.start),
        end=messages.timestamp(one.move.window.end),
        call_needed=one.move.call_needed,
    )


def _unplaced(one: Unplaced) -> pb.UnplacedVisit:
    refusals = [
        pb.RepairRefusal(
            agent_id=each.agent_id,
            reason=errors_pb2.ErrorReason.Value(f"ERROR_REASON_{each.reason}"),
            short_seconds=each.short_seconds,
        )
        for each in one.refusals
    ]
    return pb.UnplacedVisit(
        appointment=messages.appointment(one.appointment),
        contact=messages.contact(one.contact),
        refusals=refusals,
    )
