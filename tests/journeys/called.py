"""A person to visit who is called before it, and answers as told."""

from typing import Any

from giro.booking.v1 import booking_pb2 as booking
from giro.reminders.v1 import reminders_pb2 as reminders
from tests.world import Refusal, World, request_id

PHONE = "+37120000009"


async def called_person(world: World, *, keys: str, days: int = 1) -> None:
    """The first contact has a number, at which `keys` are pressed; it is called so many days before."""
    person = booking.Contact(display_name="Ada", point=world.points[0], phone=PHONE)
    request = booking.ImportContactsRequest(
        campaign_id=world.campaign, contacts=[person], request_id=request_id()
    )
    world.contacts[0] = (await world.call(world.booking.ImportContacts, request)).contact_ids[0]
    service = world.reminders
    for name, value in (
        ("reminder_offsets", f"{days * 86_400}s"),
        ("reminder_ladder", "VOICE"),
        ("called_as", "Mio"),
    ):
        await world.call(
            service.SetReminderParameter, reminders.SetReminderParameterRequest(name=name, value=value)
        )
    await _add_number(world)
    script = reminders.ScriptAnswersRequest(
        phone=PHONE, answers=[reminders.ScriptedAnswer(outcome="ANSWERED", keys=keys)]
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


async def planned(world: World, appointment_id: str) -> Any:
    """The reminders of an appointment, none before they have heard of it."""
    request = reminders.ListRemindersRequest(appointment_id=appointment_id)
    try:
        return (await world.call(world.reminders.ListReminders, request)).reminders
    except Refusal:
        return []
