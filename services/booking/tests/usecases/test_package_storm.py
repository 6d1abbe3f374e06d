"""Many bookings and one unit: one wins (I6, R-136)."""

import asyncio
import random

import pytest
from booking_house import House
from house_clock import soon
from ledger_double import Lost

from booking.domain.appointment import Card
from booking.usecases.cancel_appointment import CancelAppointment, cancel_appointment
from kit.errors import GiroError, Reason

pytestmark = pytest.mark.asyncio(loop_scope="session")

TELLING = {Reason.PACKAGE_FULL, Reason.CONTENTION}


async def test_thirty_two_bookings_and_one_unit_left(house: House) -> None:
    campaign = await house.campaign(purchased=3)
    contact = await house.contact(campaign)
    for hours in (48, 50):
        await house.book(campaign, contact, soon(hours))
    answers = await asyncio.gather(
        *(house.book(campaign, contact, soon(60 + 2 * number)) for number in range(32)),
        return_exceptions=True,
    )
    assert sum(isinstance(answer, Card) for answer in answers) == 1
    refused = [answer for answer in answers if not isinstance(answer, Card)]
    assert {getattr(refusal, "reason", refusal) for refusal in refused} == {Reason.PACKAGE_FULL}
    package = await house.package(campaign)
    assert (package.taken, package.purchased) == (3, 3)
    await house.require_sound()


async def test_cancelled_units_are_not_booked_again_in_the_step(house: House) -> None:
    campaign = await house.campaign(purchased=2)
    contact = await house.contact(campaign)
    cards = [await house.book(campaign, contact, soon(hours)) for hours in (48, 50)]
    await cancel_appointment(house.desk, CancelAppointment(cards[0].appointment.appointment_id, 0, ""))
    with pytest.raises(GiroError) as refused:
        await house.book(campaign, contact, soon(60))
    assert refused.value.reason is Reason.PACKAGE_FULL
    assert refused.value.metadata == {"purchased": "2", "taken": "1", "cancelled_in_step": "1"}


async def test_a_storm_with_a_failing_ledger_keeps_the_counters(house: House) -> None:
    chance = random.Random(20270328)
    campaign = await house.campaign(purchased=40)
    contact = await house.contact(campaign)
    house.ledger.lose("reserve", *(chance.choice(list(Lost)) for _ in range(12)))
    house.ledger.lose("move", *(chance.choice(list(Lost)) for _ in range(8)))

    async def one(number: int) -> None:
        try:
            card = await house.book(campaign, contact, soon(48 + number % 24), house.agents[number % 2])
            if number % 3 == 0:
                await house.postpone(card, soon(80 + number))
            if number % 4 == 0:
                command = CancelAppointment(card.appointment.appointment_id, 0, "")
                await cancel_appointment(house.desk, command)
        except GiroError as refused:
            assert refused.reason is not Reason.LEDGER_REFUSED  # noqa: PT017

    await asyncio.gather(*(one(number) for number in range(60)))
    await house.settle()
    await house.ledger.deliver_late()
    await house.settle()
    await house.require_sound()
