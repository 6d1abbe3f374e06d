"""New cards of a procedure in chunks: what cannot be made spoils no other, whoever dies or comes between."""

from dataclasses import replace
from datetime import timedelta

import pytest
from booking_house import VISIT, House, claim
from house_clock import soon
from ledger_double import Lost
from refix_world import again, dated

from booking.domain.appointment import State
from booking.domain.refix_modes import Work
from booking.domain.waitlist import WaitlistState
from booking.usecases.confirm_appointment import ConfirmAppointment, confirm_appointment
from booking.usecases.settle_changes import settle_changes
from booking.usecases.waitlist import JoinWaitlist, join_waitlist, list_waitlist
from kit.testing.dying import Died, die_at
from kit.testing.schedule import two_sessions

pytestmark = pytest.mark.asyncio(loop_scope="session")

DAY = timedelta(days=1)
TAKEN = soon(200)
"""When the first agent is elsewhere."""


async def asked(house: House, *, at_once: int = 2) -> tuple[list[str], list[str]]:
    """Appointments of two agents, confirmed or not, that can have a new card on another day, and one of the
    first agent that cannot."""
    house.desk = replace(house.desk, moves_at_once=at_once)
    await dated(house, Work.NEW_CARD, TAKEN)
    names: tuple[list[str], list[str]] = ([], [])
    campaign = await house.campaign()
    contact = await house.contact(campaign)
    for number in range(4):
        bad = number == 2
        card = await house.book(campaign, contact, soon(48 + 2 * number), house.agents[number % 2])
        if number != 1:
            await confirm_appointment(house.desk, ConfirmAppointment(card.appointment.appointment_id, 0))
        at = TAKEN if bad else card.appointment.window.start + 5 * DAY
        names[bad].append((await house.set_outcome(card, "ko-date", refix_at=at)).appointment_id)
    return names


async def require_each_once(house: House, good: list[str], bad: list[str]) -> None:
    """Asserts that each of the good ones has one new card at its agent's date, and that the bad one is as it
    was, told once with alternatives."""
    stored = {name: await house.stored(name) for name in await house.all_stored()}
    new = [card for card in stored.values() if card.supersedes and card.state is not State.FAILED]
    assert sorted(str(card.supersedes) for card in new) == sorted(good)
    for card in new:
        old = stored[str(card.supersedes)]
        assert (old.state, old.superseded_by, old.move_id) == (State.SUPERSEDED, card.appointment_id, None)
        assert (old.outcome_state_id, card.state) == ("refixed", State.TO_CONFIRM)
        assert card.window.start == old.window.start + 5 * DAY
    events = await house.events()
    assert sorted(entity for event, entity in events if event == "appointment_superseded") == sorted(good)
    assert [entity for event, entity in events if event == "refix_exception_raised"] == bad
    (told,) = await house.exceptions()
    assert (told.appointment_id, told.reason, len(told.alternatives)) == (bad[0], "SLOT_TAKEN", 3)
    assert (stored[bad[0]].state, stored[bad[0]].move_id) == (State.CONFIRMED, None)
    await house.require_sound()


async def test_what_cannot_be_made_spoils_no_other_of_its_chunk(house: House) -> None:
    good, bad = await asked(house, at_once=100)
    await house.run()
    assert house.ledger.calls.count("reserve_each") == 2, "one call for each agent"
    await house.settle()
    await require_each_once(house, good, bad)
    await again(house)
    await require_each_once(house, good, bad)


@pytest.mark.parametrize(
    "step", ["procedure.after_agent", "new_card.before_commit", "exception.before_commit"]
)
async def test_a_run_that_died_between_its_chunks_leaves_one_effect_each(house: House, step: str) -> None:
    good, bad = await asked(house)
    die_at(f"booking.{step}")
    with pytest.raises(Died):
        await house.run()
    await again(house)
    await again(house)
    await require_each_once(house, good, bad)


@pytest.mark.parametrize("step", ["procedure.after_pending", "new_card.after_reserve"])
async def test_the_reconciler_may_come_in_between(house: House, step: str) -> None:
    good, bad = await asked(house)

    async def settle() -> None:
        for _ in range(2):
            await settle_changes(house.desk, timedelta(0))

    met = await two_sessions(house.run, settle, at=f"booking.{step}", patience=4)
    assert (met.held, met.overtook, met.first) == (True, True, None)
    assert {each.reason for each in await house.exceptions()} <= {"SLOT_TAKEN"}
    await again(house)
    await again(house)
    await require_each_once(house, good, bad)


async def test_who_waits_goes_on_waiting_while_the_new_card_was_given_up(house: House) -> None:
    """BK-43: a visit takes its person off the list, and a card that the reconciler gave up is none."""
    good, _ = await asked(house, at_once=100)
    one = await house.stored(good[0])
    await join_waitlist(
        house.desk, JoinWaitlist(one.campaign_id, one.contact_id, VISIT, soon(900), None, claim())
    )

    async def settle() -> None:
        for _ in range(2):
            await settle_changes(house.desk, timedelta(0))

    met = await two_sessions(house.run, settle, at="booking.new_card.after_reserve", patience=4)
    assert (met.held, met.first) == (True, None)
    assert {(await house.stored(name)).state for name in good} <= {State.CONFIRMED, State.TO_CONFIRM}
    (entry,) = (await list_waitlist(house.desk, one.campaign_id, 10, "")).entries
    assert entry.state is WaitlistState.WAITING
    await again(house)
    await again(house)
    assert (await house.stored(good[0])).state is State.SUPERSEDED


@pytest.mark.parametrize("lost", [Lost.ANSWER, Lost.LATE])
async def test_what_geo_did_not_answer_is_given_up_and_tried_again(house: House, lost: Lost) -> None:
    good, bad = await asked(house)
    house.ledger.lose("reserve_each", lost)
    await house.run()
    await house.settle()
    await house.ledger.deliver_late()
    await again(house)
    await again(house)
    await require_each_once(house, good, bad)
