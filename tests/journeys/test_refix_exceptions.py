"""What a procedure cannot do is told with the three nearest starts, and each of them can be had (BK-29)."""

from datetime import UTC, timedelta
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration

from giro.booking.v1 import outcomes_pb2 as outcomes
from giro.booking.v1 import refix_pb2 as refix
from giro.booking.v1.outcomes_pb2_grpc import OutcomesServiceStub
from giro.booking.v1.refix_pb2_grpc import RefixServiceStub
from tests.eventually import eventually
from tests.world import World, request_id, stamp

pytestmark = pytest.mark.asyncio


async def test_of_three_alternatives_each_goes_through(world: World) -> None:
    service, refixing = OutcomesServiceStub(world.channel), RefixServiceStub(world.channel)
    for state_id, result in (("asked", outcomes.VISIT_RESULT_KO), ("refixed", outcomes.VISIT_RESULT_OPEN)):
        made = outcomes.UpsertOutcomeStateRequest(
            state_id=state_id, display_name=state_id, result=result, refix=state_id == "asked"
        )
        await world.call(service.UpsertOutcomeState, made)
    procedure = refix.UpsertProcedureRequest(
        procedure_id="move-refixed",
        kind=refix.PROCEDURE_KIND_MOVE,
        display_name="p",
        interval=Duration(seconds=60),
        state_id="refixed",
        outcome_state_ids=["asked"],
        active=True,
    )
    await world.call(refixing.UpsertProcedure, procedure)
    wanted = world.day(8, 12)
    booked = (await world.book(world.day(7, 12), contact=1)).appointment_id
    await world.book(wanted, contact=2)
    asked = outcomes.SetOutcomeRequest(
        appointment_id=booked, state_id="asked", refix_at=stamp(wanted), request_id=request_id()
    )
    await world.call(service.SetOutcome, asked)
    await world.confirm(booked)
    await world.advance(timedelta(minutes=2))

    async def exceptions() -> list[Any]:
        answer = await world.call(refixing.ListRefixExceptions, refix.ListRefixExceptionsRequest())
        return list(answer.exceptions)

    (found,) = await eventually(exceptions, lambda seen: len(seen) == 1)
    assert len(found.alternatives) == 3
    away = [abs(each.start.ToDatetime(UTC) - wanted) for each in found.alternatives]
    assert away == sorted(away)
    assert away[0] < timedelta(hours=3)
    for each in found.alternatives:
        time = refix.RefixTime(agent_id=each.agent_id, start=each.start)
        request = refix.RefixAppointmentRequest(
            appointment_id=booked, time=time, request_id=request_id(), state_id="refixed"
        )
        moved = await world.call(refixing.RefixAppointment, request)
        assert (moved.agent_id, moved.start) == (each.agent_id, each.start)
    assert await world.violations() == []
