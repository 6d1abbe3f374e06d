"""Whether a visit still takes place, as reminders ask before each call (ADR 0018)."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from booking_house import House, claim
from house_clock import soon

from booking.domain.appointment import Card, Colour
from booking.domain.outcomes import Recall, Result
from booking.usecases.confirm_appointment import ConfirmAppointment, confirm_appointment
from booking.usecases.get_visit import get_visit
from booking.usecases.hear_answer import Heard, hear_answer
from booking.usecases.reassign_appointment import ReassignAppointment, reassign_appointment

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def confirm(house: House, card: Card) -> Any:
    return await confirm_appointment(house.desk, ConfirmAppointment(card.appointment.appointment_id, 0))


async def postpone(house: House, card: Card) -> Any:
    return await house.postpone(card, soon(60))


async def reassign(house: House, card: Card) -> Any:
    return await house.reassign(card, house.agents[1])


async def reassign_to_another_start(house: House, card: Card) -> Any:
    command = ReassignAppointment(card.appointment.appointment_id, house.agents[2], soon(70), 0, claim())
    return await reassign_appointment(house.desk, command)


async def answer(house: House, card: Card) -> Any:
    """The contact said in a call that was under way: I will come."""
    stored = await house.stored(card.appointment.appointment_id)
    heard = Heard(stored.appointment_id, stored.window.start, Colour.GREEN, True, 9, claim())
    return await hear_answer(house.desk, house.tenant, heard)


async def refix(house: House, card: Card) -> Any:
    return await house.refix(card, soon(60), choices={"state_id": "ko-too"})


async def reopen(house: House, card: Card) -> Any:
    return await house.set_outcome(card, "open")


async def fallen(house: House) -> Card:
    """An appointment whose last outcome says that it fell through."""
    await house.outcome_state("ko", recall=Recall.NONE)
    await house.outcome_state("ko-too", recall=Recall.NONE)
    await house.outcome_state("open", result=Result.OPEN, recall=Recall.NONE)
    card = await house.booked()
    assert await takes_place(house, card)
    for state_id in ("open", "ko", "ko-too"):
        await house.set_outcome(card, state_id)
        assert await takes_place(house, card) is (state_id == "open")
    return card


async def takes_place(house: House, card: Card) -> bool:
    return (await get_visit(house.desk, card.appointment.appointment_id)).takes_place


@pytest.mark.parametrize("wanted", [postpone, reassign_to_another_start, refix, reopen])
async def test_what_fell_through_does_not_take_place_until_somebody_decides_anew(
    house: House, wanted: Callable[[House, Card], Awaitable[Any]]
) -> None:
    card = await fallen(house)
    await wanted(house, card)
    assert await takes_place(house, card)
    for keeps in (confirm, reassign):  # nor do these take it back
        await keeps(house, card)
        assert await takes_place(house, card)


@pytest.mark.parametrize("keeps", [confirm, reassign, answer])
async def test_what_says_nothing_of_the_date_does_not_bring_back_a_visit_that_fell_through(
    house: House, keeps: Callable[[House, Card], Awaitable[Any]]
) -> None:
    """ADR 0043: the outcome stands, and with it what is owed for it."""
    card = await fallen(house)
    await keeps(house, card)
    assert not await takes_place(house, card)
    await postpone(house, card)
    assert await takes_place(house, card)


async def test_moved_and_moved_back_is_decided_anew(house: House) -> None:
    card = await fallen(house)
    start = card.appointment.window.start
    for agent, at in ((2, start + timedelta(hours=3)), (1, start)):
        command = ReassignAppointment(card.appointment.appointment_id, house.agents[agent], at, 0, claim())
        await reassign_appointment(house.desk, command)
    assert await takes_place(house, card)
    await house.set_outcome(card, "ko")
    assert not await takes_place(house, card), "the last outcome counts, whatever came before it"
