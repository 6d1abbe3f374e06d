"""Key 2 from outside: the appointment is declined, and its time is free for somebody else at once (RE-17)."""

import pytest
from google.protobuf.duration_pb2 import Duration

from giro.booking.v1 import booking_pb2 as booking
from giro.reminders.v1 import reminders_pb2 as reminders
from tests.eventually import eventually
from tests.journeys.called import called_person, planned
from tests.world import Refusal, World

pytestmark = pytest.mark.asyncio


async def test_two_frees_the_time_for_somebody_else(world: World) -> None:
    await called_person(world, keys="2", days=3)  # early enough for the next one
    start = world.day(10, 12)
    declined = (await world.book(start)).appointment_id
    await eventually(lambda: planned(world, declined), bool)
    with pytest.raises(Refusal):
        await world.book(start, contact=1)
    by = Duration(seconds=7 * 86_400 + 13 * 3600)
    await world.call(world.reminders.PlayReminders, reminders.PlayRemindersRequest(by=by))
    shown = await eventually(
        lambda: world.get(declined), lambda found: found.state == booking.APPOINTMENT_STATE_CANCELLED
    )
    assert shown.reminder_colour == booking.REMINDER_COLOUR_RED
    again = await eventually(lambda: _booked(world, start), bool)
    assert (await world.get(again)).start == shown.start


async def _booked(world: World, start: object) -> str:
    """An appointment at that time; none while it is taken."""
    try:
        return str((await world.book(start, contact=1)).appointment_id)  # type: ignore[arg-type]
    except Refusal:
        return ""
