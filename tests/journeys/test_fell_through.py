"""A visit that fell through before its start is not reminded of, and a wrong "held" is put right (R-018)."""

from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration

from giro.booking.v1 import booking_pb2 as booking
from giro.booking.v1 import outcomes_pb2 as outcomes
from giro.booking.v1.outcomes_pb2_grpc import OutcomesServiceStub
from giro.reminders.v1 import reminders_pb2 as reminders
from tests.eventually import eventually
from tests.journeys.called import called_person, planned
from tests.world import World, request_id

pytestmark = pytest.mark.asyncio

DAY = 86_400


async def test_nobody_is_called_about_a_visit_that_fell_through(world: World) -> None:
    await called_person(world, keys="1", days=3)
    service = OutcomesServiceStub(world.channel)
    for state, result in (("ko", outcomes.VISIT_RESULT_KO), ("held", outcomes.VISIT_RESULT_HELD)):
        made = outcomes.UpsertOutcomeStateRequest(
            state_id=state, display_name=state, result=result, recall=outcomes.RECALL_OPTION_NONE
        )
        await world.call(service.UpsertOutcomeState, made)
    booked = (await world.book(world.day(10, 12))).appointment_id
    await eventually(
        lambda: _states(world, booked), lambda found: found == [reminders.REMINDER_STATE_WAITING]
    )
    ko = outcomes.SetOutcomeRequest(appointment_id=booked, state_id="ko", request_id=request_id())
    await world.call(service.SetOutcome, ko)
    gone = await eventually(
        lambda: _states(world, booked), lambda found: found == [reminders.REMINDER_STATE_CANCELLED]
    )
    assert gone, "it was planned and is not any more"
    confirmed = await world.confirm(booked)  # by somebody who knows nothing of the outcome (ADR 0043)
    await _play(world, days=8)
    assert confirmed.state == booking.APPOINTMENT_STATE_CONFIRMED
    assert [list(each.attempts) for each in await planned(world, booked)] == [[]]
    await world.postpone(booked, world.day(14, 12))  # somebody wants it after all
    await eventually(lambda: _states(world, booked), lambda found: reminders.REMINDER_STATE_WAITING in found)
    await _play(world, days=5)
    answered = await eventually(
        lambda: world.get(booked), lambda found: found.reminder_colour == booking.REMINDER_COLOUR_GREEN
    )
    assert answered.state == booking.APPOINTMENT_STATE_CONFIRMED
    held = outcomes.SetOutcomeRequest(appointment_id=booked, state_id="held", request_id=request_id())
    assert (await world.call(service.SetOutcome, held)).appointment_state == booking.APPOINTMENT_STATE_HELD
    corrected = outcomes.CorrectOutcomeRequest(
        appointment_id=booked, state_id="ko", reason="the wrong door", request_id=request_id()
    )
    back = await world.call(service.CorrectOutcome, corrected)
    assert back.appointment_state == booking.APPOINTMENT_STATE_CONFIRMED
    assert await world.ownership() == ([], [])


async def _states(world: World, appointment_id: str) -> list[Any]:
    return [each.state for each in await planned(world, appointment_id)]


async def _play(world: World, days: int) -> None:
    by = Duration(seconds=days * DAY)
    await world.call(world.reminders.PlayReminders, reminders.PlayRemindersRequest(by=by))
