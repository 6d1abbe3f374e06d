"""Moves of a procedure in chunks: what cannot be moved spoils no other, whoever dies or comes in between."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from booking_house import House
from house_clock import soon
from ledger_double import Lost
from refix_world import again, dated
from sqlalchemy import text

from booking.domain.appointment import State
from booking.domain.refix_modes import Work
from booking.storage import appointments
from booking.usecases.confirm_appointment import ConfirmAppointment, confirm_appointment
from booking.usecases.refix import run_procedures
from booking.usecases.settle_changes import settle_changes
from kit.errors import Conflict, Reason
from kit.testing.dying import Died, die_at
from kit.testing.schedule import two_sessions

pytestmark = pytest.mark.asyncio(loop_scope="session")

DAY = timedelta(days=1)
TAKEN = soon(200)
"""When the first agent is elsewhere."""


async def asked(house: House, *, moves_at_once: int = 2) -> tuple[list[str], list[str]]:
    """Appointments of two agents that can be moved to another day, and of the first one two that cannot."""
    house.desk = replace(house.desk, moves_at_once=moves_at_once)
    await dated(house, Work.MOVE, TAKEN)
    names: tuple[list[str], list[str]] = ([], [])
    campaign = await house.campaign()
    contact = await house.contact(campaign)
    for number in range(5):
        bad = number in {1, 2}
        agent = house.agents[0 if bad else number % 2]
        card = await house.book(campaign, contact, soon(48 + 2 * number), agent)
        await confirm_appointment(house.desk, ConfirmAppointment(card.appointment.appointment_id, 0))
        at = TAKEN if bad else card.appointment.window.start + 5 * DAY
        names[bad].append((await house.set_outcome(card, "ko-date", refix_at=at)).appointment_id)
    return names


async def require_each_once(house: House, good: list[str], bad: list[str]) -> None:
    """Asserts that the good ones were moved, and the bad ones told with alternatives, each exactly once."""
    events = await house.events()
    assert sorted(entity for event, entity in events if event == "appointment_refixed") == sorted(good)
    told = [entity for event, entity in events if event == "refix_exception_raised"]
    assert sorted(told) == sorted(bad)
    found = await house.exceptions()
    assert sorted(each.appointment_id for each in found) == sorted(bad)
    assert {(each.reason, len(each.alternatives)) for each in found} == {("SLOT_TAKEN", 3)}
    for name in good:
        stored = await house.stored(name)
        assert (stored.version, stored.state, stored.outcome_state_id) == (4, State.TO_CONFIRM, "refixed")
    assert {(await house.stored(name)).version for name in bad} == {3}
    await house.require_sound()


async def test_what_cannot_be_moved_spoils_no_other_of_its_chunk(house: House) -> None:
    good, bad = await asked(house, moves_at_once=100)
    await house.run()
    assert house.ledger.calls.count("move_each") == 2, "one call for each agent"
    await require_each_once(house, good, bad)
    await again(house)
    await require_each_once(house, good, bad)


STEPS = [
    "procedure.before_commit",
    "procedure.after_pending",
    "procedure.after_agent",
    "procedure.after_move",
    "refix.before_commit",
    "procedure.after_commit",
    "exception.before_decide",
    "exception.before_commit",
]


@pytest.mark.parametrize("step", STEPS)
async def test_a_run_that_died_between_its_chunks_leaves_one_effect_each(house: House, step: str) -> None:
    good, bad = await asked(house)
    die_at(f"booking.{step}")
    with pytest.raises(Died):
        await house.run()
    await again(house)
    await again(house)
    await require_each_once(house, good, bad)


@pytest.mark.parametrize("step", ["before_commit", "after_pending", "after_commit"])
async def test_a_second_worker_takes_what_the_first_has_not(house: House, step: str) -> None:
    good, bad = await asked(house)
    met = await two_sessions(house.run, house.run, at=f"booking.procedure.{step}", patience=4)
    assert (met.held, met.overtook, met.first, met.second) == (True, True, None, None)
    await again(house)
    await require_each_once(house, good, bad)


@pytest.mark.parametrize("step", ["after_pending", "after_move"])
async def test_the_reconciler_may_come_in_between(house: House, step: str) -> None:
    good, bad = await asked(house)

    async def settle() -> None:
        for _ in range(2):
            await settle_changes(house.desk, timedelta(0))

    met = await two_sessions(house.run, settle, at=f"booking.procedure.{step}", patience=4)
    assert (met.held, met.overtook, met.first) == (True, True, None)
    assert {each.reason for each in await house.exceptions()} <= {"SLOT_TAKEN"}, (
        "what was settled is no refusal"
    )
    await again(house)
    await again(house)
    await require_each_once(house, good, bad)


LOSSES = [Lost.REQUEST, Lost.ANSWER, Lost.LATE, Conflict(Reason.CONTENTION, "others keep changing it")]


@pytest.mark.parametrize("lost", LOSSES, ids=["request", "answer", "late", "contention"])
async def test_what_geo_did_not_answer_is_settled_and_tried_again(
    house: House, lost: "Lost | Conflict"
) -> None:
    good, bad = await asked(house)
    house.ledger.lose("move_each", lost)
    await house.run()
    await house.settle()
    await house.ledger.deliver_late()
    await again(house)
    await again(house)
    await require_each_once(house, good, bad)


async def test_what_somebody_changes_keeps_no_other_waiting(house: House) -> None:
    (busy, *good), bad = await asked(house, moves_at_once=100)
    async with house.desk.db.uow(house.tenant) as tx:
        await appointments.lock(tx, busy)
        await asyncio.wait_for(house.run(), 1.9)  # less than a lock is waited for
        await require_each_once(house, good, bad)
    await house.run()
    await require_each_once(house, [busy, *good], bad)


async def test_a_request_with_a_defect_keeps_no_other_waiting(house: House) -> None:
    (odd, *good), bad = await asked(house, moves_at_once=100)
    stuck = text(
        "INSERT INTO booking.moves (tenant_id, move_id, appointment_id, kind, agent_id, starts_at, ends_at,"
        " claim_key) VALUES (:t, 'mov_odd', :a, 'POSTPONE', 'agt', now(), now() + interval '1 hour', '')"
    )
    async with house.desk.db.uow(house.tenant) as tx:
        await tx.run(stuck, {"t": house.tenant, "a": odd})  # that its appointment knows nothing of
    await house.run()
    await require_each_once(house, good, bad)
    assert (await house.stored(odd)).move_id is None


async def test_a_backlog_takes_its_turn_batch_by_batch(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_procedures, "_BATCH", dict.fromkeys(Work, 2))
    await house.outcome_state("ko-call", refix=True)
    await house.procedure(Work.RECALL, "ko-call", interval=timedelta(hours=1))
    campaign = await house.campaign()
    contact = await house.contact(campaign)
    for number in range(5):
        card = await house.book(campaign, contact, soon(48 + 2 * number))
        await house.set_outcome(card, "ko-call", refix_at=soon(30))
    turns, made = run_procedures.Turns(), []
    for _ in range(4):
        await run_procedures.run_procedures(house.desk, turns)
        made.append(len(await house.recalls()))
    assert made == [2, 4, 5, 5]
    assert turns.last == {}
