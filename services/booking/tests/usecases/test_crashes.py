"""Death at every failpoint, then the reconciler: appointments and stops are the same again (I2)."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from booking_house import House, claim
from house_clock import soon
from ledger_double import Lost

from booking.domain.appointment import Card
from booking.usecases.cancel_appointment import CancelAppointment, cancel_appointment
from booking.usecases.confirm_appointment import ConfirmAppointment, confirm_appointment
from booking.usecases.settle_changes import settle_changes
from kit import failpoints
from kit.errors import Conflict, GiroError, Reason, RuleViolated
from kit.testing.dying import Died, die_at

pytestmark = pytest.mark.asyncio(loop_scope="session")

STEPS = ("before_decide", "after_pending", "after_reserve", "before_commit", "after_commit")
MOVE_STEPS = ("before_decide", "after_pending", "after_move", "before_commit", "after_commit")
SHORT_STEPS = ("before_decide", "before_commit", "after_commit")


async def run_into(work: Awaitable[Any], died: bool = True) -> None:
    if died:
        with pytest.raises(Died):
            await work
    else:
        await work


def change_of(house: House, card: Card, verb: str) -> Callable[[], Awaitable[Any]]:
    appointment_id = card.appointment.appointment_id
    changes: dict[str, Callable[[], Awaitable[Any]]] = {
        "postpone": lambda: house.postpone(card, soon(60)),
        "reassign": lambda: house.reassign(card, house.agents[1]),
        "cancel": lambda: cancel_appointment(house.desk, CancelAppointment(appointment_id, 0, "")),
        "confirm": lambda: confirm_appointment(house.desk, ConfirmAppointment(appointment_id, 0)),
    }
    return changes[verb]


@pytest.mark.parametrize("step", STEPS)
async def test_a_booking_that_died_is_settled(house: House, step: str) -> None:
    campaign = await house.campaign()
    contact = await house.contact(campaign)
    die_at(f"booking.book.{step}")
    await run_into(house.book(campaign, contact, soon()))
    await house.settle()
    await house.require_sound()
    kept = step == "after_commit"
    assert (await house.package(campaign)).taken == (1 if kept else 0)
    await house.book(campaign, contact, soon(60))
    await house.require_sound()


@pytest.mark.parametrize("step", STEPS)
async def test_a_booking_that_died_is_finished_by_its_repetition(house: House, step: str) -> None:
    campaign = await house.campaign()
    contact = await house.contact(campaign)
    key, start = claim(), soon()
    die_at(f"booking.book.{step}")
    await run_into(house.book(campaign, contact, start, key=key))
    card = await house.book(campaign, contact, start, key=key)
    assert len([event for event in await house.events() if event[0] == "appointment_booked"]) == 1
    await house.settle()
    await house.require_sound()
    assert (await house.stored(card.appointment.appointment_id)).version == 1


async def test_a_settled_booking_tells_its_caller_so(house: House) -> None:
    campaign = await house.campaign()
    contact = await house.contact(campaign)
    key, start = claim(), soon()
    die_at("booking.book.after_reserve")
    await run_into(house.book(campaign, contact, start, key=key))
    await house.settle()
    for _ in range(2):
        with pytest.raises(RuleViolated) as refused:
            await house.book(campaign, contact, start, key=key)
        assert refused.value.reason is Reason.SETTLED
    await house.require_sound()
    (row,) = (await house.all_stored()).values()
    assert (row.state, row.settled) == ("FAILED", True)
    assert [event for event, _ in await house.events()] == ["appointment_failed"]


async def test_a_booking_under_way_is_left_alone_until_it_is_old(house: House) -> None:
    campaign = await house.campaign()
    contact = await house.contact(campaign)
    die_at("booking.book.after_pending")
    await run_into(house.book(campaign, contact, soon()))
    await house.settle(timedelta(seconds=15))
    (row,) = (await house.all_stored()).values()
    assert row.state == "PENDING"
    await house.settle()
    await house.require_sound()


@pytest.mark.parametrize("step", MOVE_STEPS)
@pytest.mark.parametrize("verb", ["postpone", "reassign"])
async def test_a_move_that_died_is_settled_one_way_or_the_other(house: House, verb: str, step: str) -> None:
    card = await house.booked()
    die_at(f"booking.{verb}.{step}")
    await run_into(change_of(house, card, verb)())
    await house.settle()
    await house.require_sound()
    moved = step in {"after_move", "before_commit", "after_commit"}  # once geo has swapped: only forward
    stored = await house.stored(card.appointment.appointment_id)
    assert stored.version == (2 if moved else 1)
    names = [event for event, _ in await house.events()]
    assert names.count("appointment_postponed") + names.count("appointment_reassigned") == int(moved)


@pytest.mark.parametrize("step", MOVE_STEPS)
async def test_a_move_that_died_is_finished_by_its_repetition(house: House, step: str) -> None:
    card = await house.booked()
    key, start = claim(), soon(60)
    die_at(f"booking.postpone.{step}")
    await run_into(house.postpone(card, start, key=key))
    moved = await house.postpone(card, start, key=key)
    assert (moved.appointment.version, moved.appointment.window.start) == (2, start)
    await house.settle()
    await house.require_sound()


@pytest.mark.parametrize("step", SHORT_STEPS)
@pytest.mark.parametrize("verb", ["confirm", "cancel"])
async def test_a_change_of_one_row_is_made_or_not(house: House, verb: str, step: str) -> None:
    card = await house.booked()
    die_at(f"booking.{verb}.{step}")
    await run_into(change_of(house, card, verb)())
    await house.settle()
    await house.require_sound()
    assert (await house.stored(card.appointment.appointment_id)).version == (
        2 if step == "after_commit" else 1
    )


@pytest.mark.parametrize("point", ["after_failed", "after_fence"])
async def test_a_reconciler_that_died_is_followed_by_the_next(house: House, point: str) -> None:
    campaign = await house.campaign()
    contact = await house.contact(campaign)
    die_at("booking.book.after_reserve")
    await run_into(house.book(campaign, contact, soon()))
    die_at(f"booking.settle.{point}")
    await run_into(house.settle())
    await house.settle()
    await house.require_sound()
    (row,) = (await house.all_stored()).values()
    assert row.settled


async def test_one_id_that_cannot_be_fenced_keeps_no_other_waiting(house: House) -> None:
    campaign = await house.campaign()
    contact = await house.contact(campaign)
    for hours in (48, 50, 52):
        house.ledger.lose("reserve", Lost.ANSWER)
        with pytest.raises(GiroError):
            await house.book(campaign, contact, soon(hours))
    house.ledger.lose("settle_stop", Conflict(Reason.CONTENTION, "others write the same agenda"))
    await settle_changes(house.desk, timedelta(0))
    await settle_changes(house.desk, timedelta(0))
    assert len(house.ledger.stops) == 1
    await house.settle()
    await house.require_sound()


async def test_a_reconciler_that_died_after_asking_about_a_move(house: House) -> None:
    card = await house.booked()
    die_at("booking.postpone.after_move")
    await run_into(house.postpone(card, soon(60)))
    die_at("booking.settle.after_settle_move")
    await run_into(settle_changes(house.desk, timedelta(0)))
    await house.settle()
    await house.require_sound()
    assert (await house.stored(card.appointment.appointment_id)).version == 2


@pytest.mark.parametrize("lost", list(Lost))
async def test_a_reservation_without_an_answer_is_settled(house: House, lost: Lost) -> None:
    campaign = await house.campaign()
    contact = await house.contact(campaign)
    house.ledger.lose("reserve", lost)
    with pytest.raises(GiroError):
        await house.book(campaign, contact, soon())
    await house.settle()
    await house.ledger.deliver_late()  # too late: the id is fenced
    await house.settle()
    await house.require_sound()
    assert (await house.package(campaign)).taken == 0


@pytest.mark.parametrize("lost", list(Lost))
async def test_a_move_without_an_answer_is_settled(house: House, lost: Lost) -> None:
    card = await house.booked()
    house.ledger.lose("move", lost)
    with pytest.raises(GiroError):
        await house.postpone(card, soon(60))
    await house.settle()
    await house.ledger.deliver_late()
    await house.settle()
    await house.require_sound()
    stored = await house.stored(card.appointment.appointment_id)
    assert stored.version == (2 if lost is Lost.ANSWER else 1)


async def test_a_refused_move_cannot_be_made_by_its_late_copy(house: House) -> None:
    """The copy arrives after the refusal, when the time has become free: it must not move the stop."""
    start = soon(60)
    card, other = await house.booked(), await house.booked(start)
    key = claim()
    house.ledger.lose("move", Lost.LATE)
    with pytest.raises(GiroError):
        await house.postpone(card, start, key=key)
    with pytest.raises(GiroError) as refused:
        await house.postpone(card, start, key=key)
    assert refused.value.reason is Reason.SLOT_TAKEN
    await cancel_appointment(house.desk, CancelAppointment(other.appointment.appointment_id, 0, ""))
    await house.settle()
    await house.ledger.deliver_late()
    await house.require_sound()


async def test_settling_waits_while_geo_is_away(house: House) -> None:
    card = await house.booked()
    campaign = await house.campaign()
    contact = await house.contact(campaign)
    house.ledger.down = True
    with pytest.raises(GiroError):
        await house.book(campaign, contact, soon(70))
    with pytest.raises(GiroError):
        await house.postpone(card, soon(60))
    await house.settle()
    house.ledger.down = False
    await house.settle()
    await house.require_sound()


async def test_two_reconcilers_and_the_request_itself_meet(house: House) -> None:
    """The request is held before its decision while two reconcilers give it up: one row, one decision."""
    campaign = await house.campaign()
    contact = await house.contact(campaign)
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        reached.set()
        await go_on.wait()

    failpoints.arm("booking.book.after_reserve", hold)
    booking = asyncio.ensure_future(house.book(campaign, contact, soon()))
    await reached.wait()
    await asyncio.gather(*(settle_changes(house.desk, timedelta(0)) for _ in range(2)))
    go_on.set()
    with pytest.raises(RuleViolated) as refused:
        await booking
    assert refused.value.reason is Reason.SETTLED
    await house.settle()
    await house.require_sound()
    assert [event for event, _ in await house.events()] == ["appointment_failed"]
