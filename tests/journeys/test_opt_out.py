"""Key 9 from outside: the call, what is planned after it, the list, and taking it back (RE-18)."""

import pytest
from google.protobuf.duration_pb2 import Duration

from giro.reminders.v1 import reminders_pb2 as reminders
from tests.eventually import eventually
from tests.journeys.called import PHONE, called_person, planned
from tests.world import World

pytestmark = pytest.mark.asyncio


async def test_nine_stops_what_is_planned_until_it_is_taken_back(world: World) -> None:
    service = world.reminders
    await called_person(world, keys="9")
    near, far = [(await world.book(world.day(day, 12))).appointment_id for day in (5, 20)]
    for appointment_id in (near, far):
        await eventually(lambda asked=appointment_id: planned(world, asked), bool)
    await world.call(service.PlayReminders, reminders.PlayRemindersRequest(by=Duration(seconds=5 * 86_400)))
    (called,) = await planned(world, near)
    assert [(each.ending, each.digit) for each in called.attempts] == [("ANSWERED", "9")]
    assert called.reason == "OPTED_OUT"
    await eventually(
        lambda: planned(world, far), lambda found: [each.reason for each in found] == ["OPTED_OUT"]
    )
    (out,) = (await world.call(service.ListOptOuts, reminders.ListOptOutsRequest())).opt_outs
    assert (out.phone, out.attempt_id) == (PHONE, called.attempts[0].attempt_id)
    await world.call(service.RevokeOptOut, reminders.RevokeOptOutRequest(opt_out_id=out.opt_out_id))
    assert not (await world.call(service.ListOptOuts, reminders.ListOptOutsRequest())).opt_outs
