"""Answers to reminders: the calendar shows them, confirms and frees, once and in any order."""

from dataclasses import replace
from datetime import timedelta

import pytest
from booking_house import House, claim
from house_clock import soon

from booking.domain.appointment import Appointment, Colour, State
from booking.storage import parameters
from booking.usecases.get_visit import get_visit
from booking.usecases.hear_answer import Heard, hear_answer
from kit.errors import Conflict, GiroError

pytestmark = pytest.mark.asyncio(loop_scope="session")


def heard(appointment: Appointment, coming: bool | None, revision: int = 2) -> Heard:
    colours = {True: Colour.GREEN, False: Colour.RED, None: Colour.ORANGE}
    start = appointment.window.start
    return Heard(appointment.appointment_id, start, colours[coming], coming, revision, claim())


async def test_one_confirms_and_turns_green(house: House) -> None:
    appointment = (await house.booked()).appointment
    told = heard(appointment, coming=True)
    for _ in range(3):  # the same event again, and the same answer in another event
        await hear_answer(house.desk, house.tenant, told)
    await hear_answer(house.desk, house.tenant, replace(told, claim=claim()))
    stored = await house.stored(appointment.appointment_id)
    assert (stored.state, stored.colour, stored.version) == (State.CONFIRMED, Colour.GREEN, 2)
    assert [name for name, _ in await house.events()].count("appointment_confirmed") == 1
    await house.require_sound()


async def test_two_cancels_and_frees_the_time(house: House) -> None:
    appointment = (await house.booked()).appointment
    await hear_answer(house.desk, house.tenant, heard(appointment, coming=False))
    stored = await house.stored(appointment.appointment_id)
    assert (stored.state, stored.colour) == (State.CANCELLED, Colour.RED)
    await house.settle()
    await house.require_sound()


async def test_a_tenant_may_keep_declined_appointments(house: House) -> None:
    appointment = (await house.booked()).appointment
    async with house.desk.db.uow(house.tenant) as tx:
        await parameters.put(tx, "", "decline_cancels", "false")
    await hear_answer(house.desk, house.tenant, heard(appointment, coming=False))
    stored = await house.stored(appointment.appointment_id)
    assert (stored.state, stored.colour) == (State.TO_CONFIRM, Colour.RED)


async def test_what_is_older_changes_nothing(house: House) -> None:
    appointment = (await house.booked()).appointment
    await hear_answer(house.desk, house.tenant, heard(appointment, coming=True, revision=5))
    await hear_answer(house.desk, house.tenant, heard(appointment, coming=False, revision=4))
    stored = await house.stored(appointment.appointment_id)
    assert (stored.state, stored.colour) == (State.CONFIRMED, Colour.GREEN)


async def test_silence_shows_and_decides_nothing(house: House) -> None:
    appointment = (await house.booked()).appointment
    await hear_answer(house.desk, house.tenant, heard(appointment, coming=None))
    stored = await house.stored(appointment.appointment_id)
    assert (stored.state, stored.colour) == (State.TO_CONFIRM, Colour.ORANGE)


async def test_an_answer_for_another_start_decides_nothing(house: House) -> None:
    card = await house.booked()
    told = heard(card.appointment, coming=True)
    await house.postpone(card, soon(60))
    await hear_answer(house.desk, house.tenant, told)
    stored = await house.stored(card.appointment.appointment_id)
    assert (stored.state, stored.colour) == (State.TO_CONFIRM, None)


async def test_a_cancelled_or_unknown_appointment_stays_as_it_is(house: House) -> None:
    appointment = (await house.booked()).appointment
    await hear_answer(house.desk, house.tenant, heard(appointment, coming=False))
    await hear_answer(house.desk, house.tenant, heard(appointment, coming=True, revision=9))
    assert (await house.stored(appointment.appointment_id)).state is State.CANCELLED
    nobody = replace(heard(appointment, coming=True), appointment_id="apt_nobody")
    await hear_answer(house.desk, house.tenant, nobody)


async def test_a_superseded_card_is_not_painted(house: House) -> None:
    appointment = (await house.superseded()).appointment
    await hear_answer(house.desk, house.tenant, heard(appointment, coming=True))
    stored = await house.stored(appointment.appointment_id)
    assert (stored.state, stored.colour) == (State.SUPERSEDED, None)


async def test_while_it_is_moved_the_answer_waits(house: House) -> None:
    card = await house.booked()
    told = heard(card.appointment, coming=True)
    house.ledger.down = True
    with pytest.raises(GiroError):
        await house.postpone(card, soon(60))
    with pytest.raises(Conflict):
        await hear_answer(house.desk, house.tenant, told)
    house.ledger.down = False
    await house.settle(timedelta(0))
    await hear_answer(house.desk, house.tenant, told)
    await house.require_sound()


async def test_a_visit_names_who_is_visited(house: House) -> None:
    appointment = (await house.booked()).appointment
    visit = await get_visit(house.desk, appointment.appointment_id)
    assert (visit.contact.phone, visit.time_zone) == ("+390200000000", "Europe/Rome")
