"""Key 9 from outside: the call, what is planned after it, the list, and taking it back (RE-18)."""

from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration

from giro.booking.v1 import booking_pb2 as booking
from giro.reminders.v1 import reminders_pb2 as reminders
from tests.eventually import eventually
from tests.world import Refusal, World, request_id

pytestmark = pytest.mark.asyncio

PHONE = "+37120000009"


async def test_nine_stops_what_is_planned_until_it_is_taken_back(world: World) -> None:
    service = world.reminders
    await _prepare(world)
    near, far = [(await world.book(world.day(day, 12))).appointment_id for day in (5, 20)]
    for appointment_id in (near, far):
        await eventually(lambda asked=appointment_id: _planned(world, asked), bool)
    await world.call(service.PlayReminders, reminders.PlayRemindersRequest(by=Duration(seconds=5 * 86_400)))
    (called,) = await _planned(world, near)
    assert [(each.ending, each.digit) for each in called.attempts] == [("ANSWERED", "9")]
    assert called.reason == "OPTED_OUT"
    await eventually(
        lambda: _planned(world, far), lambda found: [each.reason for each in found] == ["OPTED_OUT"]
    )
    (out,) = (await world.call(service.ListOptOuts, reminders.ListOptOutsRequest())).opt_outs
    assert (out.phone, out.attempt_id) == (PHONE, called.attempts[0].attempt_id)
    await world.call(service.RevokeOptOut, reminders.RevokeOptOutRequest(opt_out_id=out.opt_out_id))
    assert not (await world.call(service.ListOptOuts, reminders.ListOptOutsRequest())).opt_outs


async def _prepare(world: World) -> None:
    """The first contact has a number, at which nine is pressed; a day before each visit it is called."""
    person = booking.Contact(display_name="Ada", point=world.points[0], phone=PHONE)
    request = booking.ImportContactsRequest(
        campaign_id=world.campaign, contacts=[person], request_id=request_id()
    )
    world.contacts[0] = (await world.call(world.booking.ImportContacts, request)).contact_ids[0]
    service = world.reminders
    for name, value in (("reminder_offsets", "86400s"), ("reminder_ladder", "VOICE"), ("called_as", "Mio")):
        await world.call(
            service.SetReminderParameter, reminders.SetReminderParameterRequest(name=name, value=value)
        )
    await _add_number(world)
    script = reminders.ScriptAnswersRequest(
        phone=PHONE, answers=[reminders.ScriptedAnswer(outcome="ANSWERED", keys="9")]
    )
    await world.call(service.ScriptAnswers, script)


async def _add_number(world: World) -> None:
    service, phone = world.reminders, "+37167000009"
    asked = reminders.AddCallerNumberRequest(phone=phone, request_id=request_id())
    number = (await world.call(service.AddCallerNumber, asked)).number_id
    sent = await world.call(
        service.ListSandboxMessages, reminders.ListSandboxMessagesRequest(recipient=phone)
    )
    code = sent.messages[0].body.rpartition(" ")[2]
    await world.call(
        service.VerifyCallerNumber, reminders.VerifyCallerNumberRequest(number_id=number, code=code)
    )
    await world.call(service.ActivateCallerNumber, reminders.ActivateCallerNumberRequest(number_id=number))


async def _planned(world: World, appointment_id: str) -> Any:
    """The reminders of an appointment, none before they have heard of it."""
    request = reminders.ListRemindersRequest(appointment_id=appointment_id)
    try:
        return (await world.call(world.reminders.ListReminders, request)).reminders
    except Refusal:
        return []
