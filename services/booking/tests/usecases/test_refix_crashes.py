"""Death at every failpoint of re-fixing, two workers at once, late messages: one effect a version (BK-28)."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from booking_house import House, claim
from house_clock import soon
from ledger_double import Lost
from refix_world import again
from sqlalchemy import text

from booking.domain import errors
from booking.domain.appointment import Card, State
from booking.domain.outcomes import Recall, Result
from booking.domain.refix import OperatorRecall
from booking.domain.refix_modes import Work
from booking.domain.refusal import Refusal
from booking.storage import appointments, recalls
from booking.usecases.cancel_appointment import CancelAppointment, cancel_appointment
from booking.usecases.fail_booking import fail_booking
from booking.usecases.settle_changes import settle_changes
from kit.errors import GiroError, Reason
from kit.testing.databases import DatabaseUrls
from kit.testing.dying import Died, die_at
from kit.testing.schedule import two_sessions

pytestmark = pytest.mark.asyncio(loop_scope="session")

AT = soon(80)
MODE_2 = {"CC0036": "SI", "CC0037": "SI", "CC0036D": "refixed"}


async def asked(house: House, kind: Work) -> Card:
    """An appointment whose agent has named a date that a procedure works on."""
    await house.outcome_state("refixed", result=Result.OPEN, recall=Recall.NONE)
    recall = {"recall": Recall.PUBLIC, "list_state": "W"} if kind is Work.RECALL else {"recall": Recall.NONE}
    await house.outcome_state("ko-date", refix=True, **recall)
    await house.procedure(kind, "ko-date")
    card = await house.booked()
    await house.set_outcome(card, "ko-date", refix_at=AT)
    return card


async def effects(house: House, card: Card) -> int:
    """How often what the agent asked for was done."""
    events = [event for event, _ in await house.events()]
    done = {"appointment_refixed", "appointment_superseded", "recall_created"}
    assert len(await house.recalls()) == events.count("recall_created")
    stored = await house.stored(card.appointment.appointment_id)
    kept = stored.window == card.appointment.window and stored.state is State.TO_CONFIRM
    assert kept == (not {"appointment_refixed", "appointment_superseded"} & set(events))
    return sum(event in done for event in events)


STEPS = [  # moves: test_refix_moves.py
    (Work.RECALL, "procedure.before_commit"),
    (Work.RECALL, "procedure.after_commit"),
    (Work.NEW_CARD, "procedure.before_commit"),
    (Work.NEW_CARD, "procedure.after_pending"),
    (Work.NEW_CARD, "new_card.after_reserve"),
    (Work.NEW_CARD, "new_card.before_decide"),
    (Work.NEW_CARD, "new_card.before_commit"),
    (Work.NEW_CARD, "new_card.after_commit"),
]


@pytest.mark.parametrize(("kind", "step"), STEPS)
async def test_a_worker_that_died_leaves_one_effect_in_the_end(house: House, kind: Work, step: str) -> None:
    card = await asked(house, kind)
    die_at(f"booking.{step}")
    with pytest.raises(Died):
        await house.run()
    await again(house)
    assert await effects(house, card) == 1
    await again(house)
    assert await effects(house, card) == 1
    await house.require_sound()


@pytest.mark.parametrize("step", ["before_decide", "before_commit"])
async def test_an_exception_is_raised_once_though_its_worker_died(house: House, step: str) -> None:
    card = await asked(house, Work.NEW_CARD)
    await house.booked(AT)
    house.ledger.slots = [(house.agents[1], soon(hours)) for hours in (70, 81, 90)]
    die_at(f"booking.exception.{step}")
    with pytest.raises(Died):
        await house.run()
    assert await house.exceptions() == []
    await again(house)
    await again(house)
    (found,) = await house.exceptions()
    assert len(found.alternatives) == 3
    assert await effects(house, card) == 0
    await house.require_sound()


@pytest.mark.parametrize("kind", [Work.RECALL, Work.NEW_CARD])
async def test_two_workers_at_once_have_one_effect(house: House, kind: Work) -> None:
    card = await asked(house, kind)
    met = await two_sessions(house.run, house.run, at="booking.procedure.before_commit", patience=15)
    assert met.held
    assert met.overtook, "the second worker does not wait for the first one's request"
    assert (met.first, met.second) == (None, None)
    await house.settle()
    assert await effects(house, card) == 1
    await house.require_sound()


@pytest.mark.parametrize("lost", list(Lost))
async def test_geos_lost_answers_leave_one_effect(house: House, lost: Lost) -> None:
    card = await asked(house, Work.NEW_CARD)
    house.ledger.lose("reserve_each", lost)
    await house.run()
    await house.settle()
    await house.ledger.deliver_late()
    await again(house)
    assert await effects(house, card) == 1
    await house.require_sound()


async def test_a_procedure_waits_for_geo_to_name_alternatives(house: House) -> None:
    card = await asked(house, Work.MOVE)
    await house.booked(AT)
    house.ledger.lose("search", Lost.REQUEST)
    await house.run()
    assert await house.exceptions() == []
    await again(house)
    assert len(await house.exceptions()) == 1
    assert await effects(house, card) == 0


async def test_forty_requests_are_shared_by_two_workers(house: House) -> None:
    first = await asked(house, Work.RECALL)
    cards = [first]
    campaign = await house.campaign()
    contact = await house.contact(campaign)
    for number in range(1, 40):
        card = await house.book(campaign, contact, soon(100 + number))
        await house.set_outcome(card, "ko-date", refix_at=AT)
        cards.append(card)
    await asyncio.gather(house.run(), house.run())
    recalls = await house.recalls()
    assert len({recall.appointment_id for recall in recalls}) == len(recalls) == 40


async def three(house: House) -> list[str]:
    """Three appointments whose agents have named a date for a recall."""
    first = await asked(house, Work.RECALL)
    others = [await house.booked(soon(100 + number)) for number in range(2)]
    for card in others:
        await house.set_outcome(card, "ko-date", refix_at=AT)
    return [card.appointment.appointment_id for card in (first, *others)]


async def somebody_waits(urls: DatabaseUrls) -> None:
    """Ends when a session of this database waits for a lock."""
    waiting = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    async with await psycopg.AsyncConnection.connect(urls.admin, autocommit=True) as admin:
        while not (await admin.execute(waiting)).rowcount:
            await asyncio.sleep(0.02)


async def test_an_appointment_that_somebody_changes_keeps_no_other_waiting(
    house: House, urls: DatabaseUrls
) -> None:
    busy, *others = await three(house)
    async with house.desk.db.uow(house.tenant) as tx:
        await appointments.lock(tx, busy)
        waits = asyncio.create_task(somebody_waits(urls))
        await house.run()
        assert not waits.done()
        waits.cancel()
        assert {recall.appointment_id for recall in await house.recalls()} == set(others)
    await house.run()
    assert {recall.appointment_id for recall in await house.recalls()} == {busy, *others}


async def test_a_request_with_a_defect_keeps_no_other_waiting(house: House) -> None:
    odd, *others = await three(house)
    async with house.desk.db.uow(house.tenant) as tx:
        recall = OperatorRecall("rcl_odd", odd, "cmp", "cnt", "usr", False, AT, None, version=1)
        await recalls.add(tx, [recall])  # that no appointment with a request has
    await house.run()
    assert {recall.appointment_id for recall in await house.recalls()} == {odd, *others}
    async with house.desk.db.uow(house.tenant) as tx:
        query = text("SELECT appointment_id, state FROM booking.refix_requests WHERE tenant_id = :t")
        found = {row.appointment_id: row.state for row in await tx.run(query, {"t": house.tenant})}
    assert found == {odd: "WAITING", **dict.fromkeys(others, "DONE")}


async def ready(house: House, on_new: bool) -> Card:
    await house.outcome_state("refixed", result=Result.OPEN, recall=Recall.NONE)
    await house.outcome_state()
    await house.parameters(**(MODE_2 if on_new else {"CC0036B": "refixed"}))
    card = await house.booked()
    await house.set_outcome(card)
    return card


REFIX_STEPS = [  # moves: test_refix_moves.py
    (False, "refix.before_decide"),
    (False, "refix.after_pending"),
    (False, "refix.after_move"),
    (False, "refix.before_commit"),
    (False, "refix.after_commit"),
    (True, "new_card.after_pending"),
    (True, "new_card.after_reserve"),
    (True, "new_card.before_commit"),
    (True, "new_card.after_commit"),
]


@pytest.mark.parametrize(("on_new", "step"), REFIX_STEPS)
@pytest.mark.parametrize("repeat", [True, False])
async def test_a_refix_that_died_is_settled_or_finished(
    house: House, on_new: bool, step: str, repeat: bool
) -> None:
    card, key = await ready(house, on_new), claim()
    die_at(f"booking.{step}")
    with pytest.raises(Died):
        await house.refix(card, AT, key=key)
    if repeat:
        made = await house.refix(card, AT, key=key)
        assert made.appointment.window.start == AT
        assert await house.refix(card, AT, key=key) == made
    await house.settle()
    await house.require_sound()
    done = [e for e, _ in await house.events() if e in {"appointment_refixed", "appointment_superseded"}]
    kept = {"refix.after_move", "refix.before_commit", "refix.after_commit", "new_card.after_commit"}
    assert len(done) == int(repeat or step in kept)
    assert len(await house.recalls()) == 1 - len(done)


async def test_deciding_a_new_card_and_giving_it_up_do_not_deadlock(house: House) -> None:
    card, key = await ready(house, on_new=True), claim()
    die_at("booking.new_card.after_pending")
    with pytest.raises(Died):
        await house.refix(card, AT, key=key)
    (new,) = (await house.all_stored()).keys() - {card.appointment.appointment_id}

    async def give_up() -> bool:
        async with house.desk.db.uow(house.tenant) as tx:
            return await fail_booking(tx, new, Refusal.of(errors.given_up("booking")))

    async with house.desk.db.uow(house.tenant) as tx:
        await appointments.lock(tx, card.appointment.appointment_id)
        decides = asyncio.create_task(house.refix(card, AT, key=key))
        await house.until_waiting(1)
        gives_up = asyncio.create_task(give_up())
        await house.until_waiting(2)
    made, gave_up = await asyncio.gather(decides, gives_up)
    assert (made.appointment.appointment_id, gave_up) == (new, False)
    await house.settle()
    await house.require_sound()


@pytest.mark.parametrize("on_new", [False, True])
@pytest.mark.parametrize("verb", ["cancel", "postpone", "outcome", "refix"])
async def test_a_refix_meets_another_change(house: House, on_new: bool, verb: str) -> None:
    card = await ready(house, on_new)
    ident = card.appointment.appointment_id
    others: dict[str, Callable[[], Awaitable[Any]]] = {
        "cancel": lambda: cancel_appointment(house.desk, CancelAppointment(ident, 0, "")),
        "postpone": lambda: house.postpone(card, soon(90)),
        "outcome": lambda: house.set_outcome(card),
        "refix": lambda: house.refix(card, soon(95)),
    }
    point = "booking.new_card.after_pending" if on_new else "booking.refix.after_pending"
    met = await two_sessions(lambda: house.refix(card, AT), others[verb], at=point, patience=15)
    assert met.held
    assert met.overtook
    assert isinstance(met.second, GiroError)
    assert met.second.reason is Reason.CHANGE_IN_PROGRESS
    assert isinstance(met.first, Card)
    await house.settle()
    await house.require_sound()


@pytest.mark.parametrize("on_new", [False, True])
async def test_a_refused_refix_changes_nothing(house: House, on_new: bool) -> None:
    card, key = await ready(house, on_new), claim()
    await house.booked(AT)
    before = await house.stored(card.appointment.appointment_id)
    for _ in range(2):
        with pytest.raises(GiroError) as refused:
            await house.refix(card, AT, key=key)
        assert refused.value.reason is Reason.SLOT_TAKEN
    assert await house.stored(before.appointment_id) == before
    assert len(await house.recalls()) == 1
    await settle_changes(house.desk, timedelta(0))
    await house.settle()
    await house.require_sound()


async def test_a_reconciler_that_was_first_gives_the_new_card_up(house: House) -> None:
    card = await ready(house, on_new=True)
    met = await two_sessions(
        lambda: house.refix(card, AT),
        lambda: settle_changes(house.desk, timedelta(0)),
        at="booking.new_card.after_reserve",
        patience=15,
    )
    assert met.held
    assert met.overtook
    assert isinstance(met.first, GiroError)
    assert met.first.reason is Reason.SETTLED
    assert (await house.stored(card.appointment.appointment_id)).state is State.TO_CONFIRM
    await house.settle()
    await house.require_sound()
