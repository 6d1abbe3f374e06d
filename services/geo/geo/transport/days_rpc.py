"""The gRPC face of an agent's day as it is checked."""

import grpc

from geo.domain.verification import StoredStop
from geo.transport import messages
from geo.transport.reach import require_agent, sees_owners
from geo.usecases.check_day import CheckedPair, check_day
from geo.usecases.ledger import Ledger
from giro.common.v1 import travel_pb2
from giro.geo.v1 import days_pb2 as pb
from giro.geo.v1 import days_pb2_grpc, geo_pb2
from kit.errors import NotAllowed, Reason
from kit.rpc.context import caller
from kit.values.days import parse_day

Context = grpc.aio.ServicerContext[object, object]


class DayServicer(days_pb2_grpc.DayServiceServicer):
    """giro.geo.v1.DayService."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def CheckDay(self, request: pb.CheckDayRequest, context: Context) -> pb.CheckDayResponse:
        """The guarantee of one day, pair by pair."""
        require_agent(request.agent_id)
        if not sees_owners(request.agent_id):
            raise NotAllowed(Reason.OUT_OF_SCOPE, "your role does not reach this agent")
        day = parse_day(request.date, "date")
        found = await check_day(self._ledger, caller().tenant, request.agent_id, day)
        return pb.CheckDayResponse(
            agent_id=request.agent_id,
            time_zone=found.time_zone,
            day=messages.window_out(found.window),
            pairs=[_pair(pair) for pair in found.pairs],
            violations=sum(len(pair.violations) for pair in found.pairs),
        )


def _pair(pair: CheckedPair) -> pb.CheckedPair:
    message = pb.CheckedPair(
        earlier=_stop(pair.earlier),
        later=_stop(pair.later),
        buffer=messages.seconds(pair.later.buffer),
        version=pair.version,
        via=pair.later.leg is not None and pair.later.leg[3],
        violations=[
            pb.PairViolation(kind=one.kind, short_seconds=one.short_seconds) for one in pair.violations
        ],
    )
    if pair.source is not None:
        message.source = travel_pb2.TravelSource.Value(f"TRAVEL_SOURCE_{pair.source}")
    if pair.travel is not None and pair.slack is not None:
        message.travel.CopyFrom(messages.seconds(pair.travel))
        message.slack_seconds = pair.slack
    return message


def _stop(stop: StoredStop) -> pb.CheckedStop:
    return pb.CheckedStop(
        kind=geo_pb2.StopKind.Value(f"STOP_KIND_{stop.kind}"),
        owner_id="" if stop.owner_id == stop.stop_id else stop.owner_id,
        start=messages.stamp(stop.starts_at),
        end=messages.stamp(stop.ends_at),
        point=messages.point(stop.place),
    )
