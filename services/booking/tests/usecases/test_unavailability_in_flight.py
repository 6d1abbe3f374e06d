"""An unavailable day and a booking under way: whichever is first, the other one learns of it (R-014)."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from booking_house import House, claim
from house_clock import noon
from rounds_double import RoundsDouble

from booking.domain.appointment import Card
from booking.domain.outcomes import Recall, Result
from booking.usecases.create_series import CreateSeries, create_series
from booking.usecases.swap_appointments import SwapAppointments, swap_appointments
from booking.usecases.unavailability import Noted, SetUnavailability, set_unavailability
from kit.errors import GiroError, Reason
from kit.testing.schedule import two_sessions

pytestmark = pytest.mark.asyncio(loop_scope="session")

DAYS = 20
A_MOMENT, LONG = 0.1, 15.0
"""Seconds for which a session that has to wait is looked at, and one that must not is waited for."""
BEFORE_PENDING = {
    "book": "booking.book.before_decide",
    "series": "booking.series.before_decide",
    "postpone": "booking.move.before_pending",
    "reassign": "booking.move.before_pending",
    "refix": "booking.refix.before_pending",
    "new_card": "booking.new_card.before_pending",
    "swap": "booking.repair.before_pending",
}
AFTER_PENDING = {
    verb: f"booking.{'repair' if verb == 'swap' else verb}.after_pending" for verb in BEFORE_PENDING
}


@dataclass
class Case:
    """A change that puts the first agent, and the contact, on the day; `work` begins it."""

    house: House
    contact: str
    work: Callable[[], Awaitable[Any]]

    async def note(self, whose: str) -> Noted:
        """The day is told to be unavailable."""
        ids = {"agent_id": self.house.agents[0], "contact_id": ""}
        if whose == "contact":
            ids = {"agent_id": "", "contact_id": self.contact}
        command = SetUnavailability(
            first_day=noon(DAYS).date().isoformat(),
            last_day="",
            note="",
            override_note="",
            claim=claim(),
            **ids,
        )
        return await set_unavailability(self.house.desk, command)

    async def there(self) -> set[str]:
        """Appointments that are booked for that day."""
        rows = await self.house.all_stored()
        live = {key: row for key, row in rows.items() if row.state in {"TO_CONFIRM", "CONFIRMED"}}
        return {
            key
            for key, row in live.items()
            if row.starts_at == noon(DAYS) and row.agent_id == self.house.agents[0]
        }


async def case(house: House, verb: str) -> Case:
    campaign = await house.campaign()
    contact = await house.contact(campaign)
    if verb == "book":
        return Case(house, contact, lambda: house.book(campaign, contact, noon(DAYS)))
    if verb == "series":
        command = CreateSeries(
            campaign.campaign_id,
            contact,
            house.agents[0],
            noon(DAYS),
            timedelta(minutes=45),
            7,
            1,
            "",
            claim(),
        )
        return Case(house, contact, lambda: create_series(house.desk, command))
    swaps = verb in {"swap", "reassign"}
    start = noon(DAYS) if swaps else noon(DAYS - 2)
    card = await house.book(campaign, contact, start, house.agents[1 if swaps else 0])
    return Case(house, contact, await change(house, verb, card))


async def change(house: House, verb: str, card: Card) -> Callable[[], Awaitable[Any]]:
    if verb == "postpone":
        return lambda: house.postpone(card, noon(DAYS))
    if verb == "reassign":
        return lambda: house.reassign(card, house.agents[0])
    if verb == "swap":
        other = await house.booked(noon(DAYS - 2))
        ids = [each.appointment.appointment_id for each in (card, other)]
        command = SwapAppointments((ids[0], 0), (ids[1], 0), claim())
        return lambda: swap_appointments(house.desk, RoundsDouble(house.ledger), command)
    await house.outcome_state("refixed", result=Result.OPEN, recall=Recall.NONE)
    await house.outcome_state()
    on_new = {"CC0036": "SI", "CC0037": "SI", "CC0036D": "refixed"}
    await house.parameters(**(on_new if verb == "new_card" else {"CC0036B": "refixed"}))
    await house.set_outcome(card)
    return lambda: house.refix(card, noon(DAYS))


def noted(outcome: Any) -> set[str]:
    assert isinstance(outcome, Noted), outcome
    assert outcome.hit_total == len(outcome.hit)
    return {appointment.appointment_id for appointment in outcome.hit}


@pytest.mark.parametrize("verb", BEFORE_PENDING)
async def test_a_note_waits_for_a_booking_that_is_being_begun_and_lists_it(house: House, verb: str) -> None:
    given = await case(house, verb)
    met = await two_sessions(
        given.work, lambda: given.note("agent"), at=BEFORE_PENDING[verb], patience=A_MOMENT
    )
    assert met.held
    assert not met.overtook, "a note does not pass by a booking that has not seen it"
    assert not isinstance(met.first, BaseException), met.first
    there = await given.there()
    assert there
    assert there <= noted(met.second)
    await house.settle()
    await house.require_sound()


@pytest.mark.parametrize(
    ("verb", "whose"),
    [*((verb, "agent") for verb in AFTER_PENDING), ("book", "contact"), ("postpone", "contact")],
)
async def test_a_note_lists_what_is_under_way(house: House, verb: str, whose: str) -> None:
    given = await case(house, verb)
    met = await two_sessions(given.work, lambda: given.note(whose), at=AFTER_PENDING[verb], patience=LONG)
    assert met.held
    assert met.overtook, "nobody waits for geo"
    assert not isinstance(met.first, BaseException), met.first
    there = await given.there()
    assert there
    assert there <= noted(met.second)
    await house.settle()
    await house.require_sound()


@pytest.mark.parametrize(
    ("verb", "whose"),
    [*((verb, "agent") for verb in BEFORE_PENDING), ("book", "contact"), ("postpone", "contact")],
)
async def test_what_begins_while_a_note_is_taken_is_refused(house: House, verb: str, whose: str) -> None:
    given = await case(house, verb)
    before = await given.there()
    met = await two_sessions(lambda: given.note(whose), given.work, at="booking.unavailability.before_commit")
    assert met.held
    assert not met.overtook
    assert await given.there() == before
    if verb == "series":
        assert [each.refusal.reason for each in met.second.conflicts] == [
            Reason.ABSENT if whose == "agent" else Reason.CONTACT_UNAVAILABLE
        ]
        return
    assert isinstance(met.second, GiroError)
    assert met.second.reason is (Reason.ABSENT if whose == "agent" else Reason.CONTACT_UNAVAILABLE)


async def test_a_move_that_came_to_nothing_is_not_listed(house: House) -> None:
    given = await case(house, "postpone")
    await house.booked(noon(DAYS))
    with pytest.raises(GiroError):
        await given.work()
    assert len(noted(await given.note("agent"))) == 1
