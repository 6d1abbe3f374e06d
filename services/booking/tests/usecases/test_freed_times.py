"""Whatever leaves a time behind has it offered to who waits: every way there is of moving (BK-43)."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import pytest
from booking_house import House, claim
from house_clock import soon
from rounds_double import RoundsDouble
from waiting_queue import Queue

from booking.domain.outcomes import Recall, Result
from booking.usecases.apply_repair import ApplyRepair, WantedCancellation, WantedMove, apply_repair
from booking.usecases.hear_answer import Heard, hear_answer
from booking.usecases.reassign_appointment import ReassignAppointment, reassign_appointment
from booking.usecases.swap_appointments import SwapAppointments, swap_appointments

pytestmark = pytest.mark.asyncio(loop_scope="session")

Move = Callable[[House, Queue], Awaitable[None]]


async def postponed(house: House, queue: Queue) -> None:
    await house.postpone(queue.card, soon(96))


async def reassigned(house: House, queue: Queue) -> None:
    await house.reassign(queue.card, house.agents[1])


async def reassigned_to_another_hour(house: House, queue: Queue) -> None:
    card, later = queue.card.appointment, soon(96)
    command = ReassignAppointment(card.appointment_id, house.agents[1], later, 0, claim())
    await reassign_appointment(house.desk, command)


async def refixed(house: House, queue: Queue) -> None:
    await house.outcome_state("open", result=Result.OPEN, recall=Recall.NONE)
    await house.refix(queue.card, soon(96), choices={"state_id": "open"})


async def refixed_with_another_agent(house: House, queue: Queue) -> None:
    await house.outcome_state("open", result=Result.OPEN, recall=Recall.NONE)
    await house.refix(queue.card, soon(96), agent=house.agents[1], choices={"state_id": "open"})


async def superseded(house: House, queue: Queue) -> None:
    await house.parameters(CC0036="SI", CC0037="SI", CC0037A="NO", CC0036C="SI", CC036DB="refixed")
    await house.outcome_state("refixed", result=Result.OPEN, recall=Recall.NONE)
    await house.outcome_state("ko")
    await house.set_outcome(queue.card)
    await house.refix(queue.card, soon(96))


async def repaired(house: House, queue: Queue) -> None:
    card = queue.card.appointment
    other = await house.book(queue.campaign, await house.contact(queue.campaign), soon(120), house.agents[1])
    wanted = WantedMove(card.appointment_id, house.agents[1], soon(96), card.version)
    given_up = WantedCancellation(other.appointment.appointment_id, other.appointment.version)
    command = ApplyRepair((wanted,), (given_up,), "broken down", claim())
    await apply_repair(house.desk, RoundsDouble(house.ledger), command)


async def declined(house: House, queue: Queue) -> None:
    card = queue.card.appointment
    told = Heard(card.appointment_id, card.window.start, None, False, 2, claim())
    await hear_answer(house.desk, house.tenant, told)


MOVES = (
    postponed,
    reassigned,
    reassigned_to_another_hour,
    refixed,
    refixed_with_another_agent,
    superseded,
    repaired,
    declined,
)


@pytest.mark.parametrize("move", MOVES)
async def test_the_time_left_behind_is_offered(house: House, move: Move) -> None:
    queue = await Queue.of(house, number=1)
    await move(house, queue)
    await queue.hear(times=2)
    offer = await queue.the_offer()
    assert (offer.agent_id, offer.window.start) == (house.agents[0], queue.start)
    await queue.accept(offer)
    await house.settle()
    await house.require_sound()


async def test_a_swap_leaves_both_hours_to_who_waits(house: House) -> None:
    queue = await Queue.of(house, number=2)
    later: datetime = queue.start + timedelta(hours=5)
    other = await house.book(queue.campaign, await house.contact(queue.campaign), later, house.agents[1])
    house.ledger.slots.append((house.agents[1], later))
    pair = [(card.appointment.appointment_id, 0) for card in (queue.card, other)]
    command = SwapAppointments(pair[0], pair[1], claim())
    await swap_appointments(house.desk, RoundsDouble(house.ledger), command)
    await queue.hear()
    found = [(offer.agent_id, offer.window.start) for _, offer in await queue.offered()]
    assert sorted(found) == sorted([(house.agents[0], queue.start), (house.agents[1], later)])


async def test_a_swap_of_equal_hours_leaves_nothing(house: House) -> None:
    queue = await Queue.of(house, number=2)
    other = await house.book(
        queue.campaign, await house.contact(queue.campaign), queue.start, house.agents[1]
    )
    house.ledger.slots.append((house.agents[1], queue.start))
    pair = [(card.appointment.appointment_id, 0) for card in (queue.card, other)]
    await swap_appointments(
        house.desk, RoundsDouble(house.ledger), SwapAppointments(pair[0], pair[1], claim())
    )
    await queue.hear()
    assert await queue.offered() == []
