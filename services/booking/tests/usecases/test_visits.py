"""Whether a visit still takes place, as reminders ask before each call (ADR 0018)."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from booking_house import House, soon

from booking.domain.appointment import Card
from booking.domain.outcomes import Recall, Result
from booking.usecases.confirm_appointment import ConfirmAppointment, confirm_appointment
from booking.usecases.get_visit import get_visit

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def confirm(house: House, card: Card) -> Any:
    return await confirm_appointment(house.desk, ConfirmAppointment(card.appointment.appointment_id, 0))


async def postpone(house: House, card: Card) -> Any:
    return await house.postpone(card, soon(60))


async def reassign(house: House, card: Card) -> Any:
    return await house.reassign(card, house.agents[1])


async def refix(house: House, card: Card) -> Any:
    return await house.refix(card, soon(60), choices={"state_id": "ko-too"})


async def reopen(house: House, card: Card) -> Any:
    return await house.set_outcome(card, "open")


@pytest.mark.parametrize("wanted", [confirm, postpone, reassign, refix, reopen])
async def test_what_fell_through_does_not_take_place_until_somebody_wants_it(
    house: House, wanted: Callable[[House, Card], Awaitable[Any]]
) -> None:
    await house.outcome_state("ko", recall=Recall.NONE)
    await house.outcome_state("ko-too", recall=Recall.NONE)
    await house.outcome_state("open", result=Result.OPEN, recall=Recall.NONE)
    card = await house.booked()
    ident = card.appointment.appointment_id
    assert (await get_visit(house.desk, ident)).takes_place
    for state_id in ("open", "ko", "ko-too"):
        await house.set_outcome(card, state_id)
        assert (await get_visit(house.desk, ident)).takes_place is (state_id == "open")
    await wanted(house, card)
    assert (await get_visit(house.desk, ident)).takes_place
