"""Dates that a procedure cannot keep, and when a procedure runs."""

from datetime import timedelta

import pytest
from booking_house import House
from refix_world import at, states

from booking.domain.history import HistoryKind
from booking.domain.refix_modes import Work
from booking.usecases.refix.run_procedures import run_procedures

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("kind", [Work.MOVE, Work.NEW_CARD])
async def test_a_date_that_cannot_be_kept_moves_nothing_and_offers_three(house: House, kind: Work) -> None:
    await states(house)
    await house.procedure(kind, "ko-date")
    card = await house.booked(at(48))
    await house.booked(at(80))  # the same agent is elsewhere by then
    house.ledger.slots = [(house.agents[0], at(hours)) for hours in (30, 79, 82, 84, 110)]
    await house.set_outcome(card, "ko-date", refix_at=at(80))
    before = await house.stored(card.appointment.appointment_id)
    await house.run()
    assert await house.stored(before.appointment_id) == before
    (found,) = await house.exceptions()
    assert (found.reason, found.refix_at) == ("SLOT_TAKEN", at(80))
    assert [each.start for each in found.alternatives] == [at(79), at(82), at(84)]
    assert (await house.history(before.appointment_id))[-1].kind is HistoryKind.EXCEPTION
    await house.run()
    assert await house.exceptions() == [found]
    made = await house.refix(before, found.alternatives[0].start, choices={"state_id": "refixed"})
    assert made.appointment.window.start == at(79)
    assert await house.exceptions() == []
    await house.settle()
    await house.require_sound()


async def test_a_date_that_has_passed_meanwhile_is_an_exception(house: House) -> None:
    await states(house)
    await house.procedure(Work.MOVE, "ko-date", active=False)
    card = await house.booked(at(48))
    await house.set_outcome(card, "ko-date", refix_at=at(1))
    await house.advance(timedelta(hours=2))
    house.ledger.slots = [(house.agents[1], at(50))]
    await house.procedure(Work.MOVE, "ko-date")
    await house.run()
    (found,) = await house.exceptions()
    assert (found.reason, [each.agent_id for each in found.alternatives]) == ("LEAD_TIME", [house.agents[1]])
    assert "move_each" not in house.ledger.calls


async def test_a_date_is_no_more_once_the_appointment_has_changed(house: House) -> None:
    await states(house)
    await house.procedure(Work.MOVE, "ko-date")
    card = await house.booked(at(48))
    await house.set_outcome(card, "ko-date", refix_at=at(80))
    await house.postpone(card, at(90))
    await house.run()
    assert (await house.stored(card.appointment.appointment_id)).window.start == at(90)


async def test_a_procedure_runs_when_its_interval_is_over_and_only_while_active(house: House) -> None:
    await states(house)
    await house.procedure(Work.RECALL, "ko-call", interval=timedelta(hours=1))
    await run_procedures(house.desk)
    card = await house.booked(at(48))
    await house.set_outcome(card, "ko-call", refix_at=at(30))
    await run_procedures(house.desk)
    assert await house.recalls() == []
    await house.advance(timedelta(minutes=61))
    await house.procedure(Work.RECALL, "ko-call", active=False)
    await run_procedures(house.desk)
    assert await house.recalls() == []
    await house.procedure(Work.RECALL, "ko-call")
    await run_procedures(house.desk)
    assert len(await house.recalls()) == 1
