"""An agent's date outlives what says nothing of it; it is never thrown away in silence (R-060, R-069)."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from booking_house import House, claim
from house_clock import soon
from rounds_double import RoundsDouble
from sqlalchemy import text

from booking.domain.appointment import Appointment, Card, Colour, State
from booking.domain.outcomes import Recall, Result
from booking.domain.refix_modes import Work
from booking.usecases.apply_repair import ApplyRepair, WantedMove, apply_repair
from booking.usecases.cancel_appointment import CancelAppointment, cancel_appointment
from booking.usecases.confirm_appointment import ConfirmAppointment, confirm_appointment
from booking.usecases.hear_answer import Heard, hear_answer
from booking.usecases.swap_appointments import SwapAppointments, swap_appointments
from kit.errors import GiroError, Reason
from kit.testing.schedule import two_sessions

pytestmark = pytest.mark.asyncio(loop_scope="session")

BASE = soon(0)


def at(hours: float) -> datetime:
    """The same whole second however often it is asked for."""
    return BASE + timedelta(hours=hours)


AT, START = at(80), at(48)
KINDS = [Work.MOVE, Work.NEW_CARD, Work.RECALL]


async def asked(house: House, kind: Work) -> Appointment:
    """An appointment whose agent has named a date that a procedure works on."""
    await house.outcome_state("refixed", result=Result.OPEN, recall=Recall.NONE)
    recall = {"recall": Recall.PUBLIC, "list_state": "W"} if kind is Work.RECALL else {"recall": Recall.NONE}
    await house.outcome_state("ko-date", refix=True, **recall)
    await house.procedure(kind, "ko-date")
    campaign = await house.campaign()
    card = await house.book(campaign, await house.contact(campaign), START)
    return await house.set_outcome(card, "ko-date", refix_at=AT)


async def confirm(house: House, card: Appointment) -> None:
    await confirm_appointment(house.desk, ConfirmAppointment(card.appointment_id, 0))


async def answer(house: House, card: Appointment) -> None:
    told = Heard(card.appointment_id, card.window.start, Colour.GREEN, True, 2, claim())
    await hear_answer(house.desk, house.tenant, told)


async def reassign(house: House, card: Appointment) -> None:
    await house.reassign(Card(card), house.agents[1])


async def swap(house: House, card: Appointment) -> None:
    campaign = await house.campaign()
    other = await house.book(campaign, await house.contact(campaign), START, house.agents[1])
    command = SwapAppointments((card.appointment_id, 0), (other.appointment.appointment_id, 0), claim())
    await swap_appointments(house.desk, RoundsDouble(house.ledger), command)


async def cancel(house: House, card: Appointment) -> Card:
    return await cancel_appointment(house.desk, CancelAppointment(card.appointment_id, 0, ""))


async def refix(house: House, card: Appointment) -> Card:
    return await house.refix(card, at(100), choices={"state_id": "refixed"})


async def requests(house: House) -> list[str]:
    """The states of all requests, the oldest first."""
    query = text("SELECT state FROM booking.refix_requests WHERE tenant_id = :t ORDER BY refix_id")
    async with house.desk.db.uow(house.tenant) as tx:
        return [row.state for row in await tx.run(query, {"t": house.tenant})]


async def require_done(house: House, kind: Work, card: Appointment) -> None:
    """Asserts that the agent's date came to be what it was named for, once."""
    now = await house.stored(card.appointment_id)
    if kind is Work.MOVE:
        assert (now.window.start, now.outcome_state_id, now.state) == (AT, "refixed", State.TO_CONFIRM)
    elif kind is Work.NEW_CARD:
        assert (now.state, now.outcome_state_id) == (State.SUPERSEDED, "refixed")
        assert (await house.stored(str(now.superseded_by))).window.start == AT
    else:
        (recall,) = await house.recalls()
        assert (recall.appointment_id, recall.due_at, recall.version) == (
            card.appointment_id,
            AT,
            now.version,
        )
    assert await requests(house) == ["DONE"]
    assert await house.exceptions() == []


KEEPING: dict[str, Callable[[House, Appointment], Awaitable[Any]]] = {
    "confirm": confirm,
    "answer": answer,
    "reassign": reassign,
    "swap": swap,
}


@pytest.mark.parametrize("verb", list(KEEPING))
@pytest.mark.parametrize("kind", KINDS)
async def test_what_says_nothing_of_the_date_leaves_it(house: House, kind: Work, verb: str) -> None:
    card = await asked(house, kind)
    await KEEPING[verb](house, card)
    assert (await house.stored(card.appointment_id)).version > card.version
    await house.run()
    await require_done(house, kind, card)
    await house.settle()
    await house.require_sound()


@pytest.mark.parametrize("verb", list(KEEPING))
async def test_a_recall_that_is_owed_stays_owed(house: House, verb: str) -> None:
    """Before the run or after it: the same is owed to the customer (R-035, R-069)."""
    card = await asked(house, Work.RECALL)
    await house.run()
    (recall,) = await house.recalls()
    await KEEPING[verb](house, card)
    await house.run()
    assert await house.recalls() == [recall]


@pytest.mark.parametrize("verb", ["confirm", "reassign"])
async def test_an_exception_stays_open_until_the_visit_is_fixed_again(house: House, verb: str) -> None:
    card = await asked(house, Work.MOVE)
    await house.booked(AT)
    await house.run()
    (found,) = await house.exceptions()
    await KEEPING[verb](house, card)
    assert await house.exceptions() == [found]
    await refix(house, card)
    assert await house.exceptions() == []


@pytest.mark.parametrize("kind", KINDS)
async def test_of_two_dates_people_say_which_one_counts(house: House, kind: Work) -> None:
    """A repair of the day gives the visit another start: neither date is dropped in silence."""
    card = await asked(house, kind)
    house.ledger.slots = [(house.agents[0], at(hours)) for hours in (71, 81, 90)]
    moves = (WantedMove(card.appointment_id, house.agents[1], at(50), 0),)
    await apply_repair(house.desk, RoundsDouble(house.ledger), ApplyRepair(moves, (), "ill", claim()))
    await house.run()
    await house.run()
    (found,) = await house.exceptions()
    assert (found.reason, found.refix_at) == (Reason.STALE_VERSION.value, AT)
    assert [each.start for each in found.alternatives] == [at(81), at(71), at(90)]
    assert (await house.stored(card.appointment_id)).window.start == at(50)
    assert (await requests(house), await house.recalls()) == (["EXCEPTION"], [])


@pytest.mark.parametrize("verb", ["refix", "cancel", "outcome"])
@pytest.mark.parametrize("kind", KINDS)
async def test_who_decides_anew_ends_what_was_asked_for(house: House, kind: Work, verb: str) -> None:
    card = await asked(house, kind)
    if verb == "outcome":
        await house.outcome_state("done", result=Result.HELD, recall=Recall.NONE)
        await house.set_outcome(card, "done")
    else:
        await (refix if verb == "refix" else cancel)(house, card)
    assert await requests(house) == ["OBSOLETE"]
    before = await house.all_stored()
    await house.run()
    assert await house.all_stored() == before
    assert (await house.recalls(), await house.exceptions()) == ([], [])


POINTS = {
    Work.MOVE: ("procedure.before_commit", "procedure.after_pending"),
    Work.NEW_CARD: ("procedure.before_commit", "new_card.before_commit"),
    Work.RECALL: ("procedure.before_commit",),
}
RUN_FIRST = [(kind, point) for kind, points in POINTS.items() for point in points]
OPERATORS: dict[str, Callable[[House, Appointment], Awaitable[Any]]] = {
    "refix": refix,
    "cancel": cancel,
    "confirm": confirm,
}


@pytest.mark.parametrize("verb", list(OPERATORS))
@pytest.mark.parametrize(("kind", "point"), RUN_FIRST)
async def test_an_operator_meets_a_run(house: House, kind: Work, point: str, verb: str) -> None:
    """The run is held: the operator waits for it, or is told that a change is under way; nothing is lost."""
    card = await asked(house, kind)
    other = lambda: OPERATORS[verb](house, card)  # noqa: E731
    met = await two_sessions(house.run, other, at=f"booking.{point}", patience=0.1)
    assert met.held
    assert met.first is None
    await house.settle()
    await house.run()
    await house.require_sound()
    assert await house.exceptions() == []
    assert await requests(house) == ["DONE"], "the run was first"
    if kind is Work.RECALL:
        assert not isinstance(met.second, BaseException)
        assert len(await house.recalls()) == (1 if verb == "confirm" else 0)
        return
    rows = (await house.all_stored()).values()
    live = [(row.state, row.starts_at) for row in rows if row.state in {"TO_CONFIRM", "CONFIRMED"}]
    if isinstance(met.second, GiroError):
        assert met.second.reason in {Reason.CHANGE_IN_PROGRESS, Reason.SUPERSEDED}
        assert live == [("TO_CONFIRM", AT)]
    else:  # it waited until the run had moved the card, and decided about that
        after = {"refix": [("TO_CONFIRM", at(100))], "cancel": [], "confirm": [("CONFIRMED", AT)]}
        assert (kind, live) == (Work.MOVE, after[verb])


STEPS = {
    "refix": ("refix.before_decide", "refix.after_pending"),
    "cancel": ("cancel.before_decide",),
    "confirm": ("confirm.before_decide", "confirm.before_commit"),
}
OPERATOR_FIRST = [(verb, point) for verb, points in STEPS.items() for point in points]


@pytest.mark.parametrize(("verb", "point"), OPERATOR_FIRST)
@pytest.mark.parametrize("kind", KINDS)
async def test_a_run_meets_an_operator(house: House, kind: Work, verb: str, point: str) -> None:
    """The operator is held: the run passes the card over, waits for nobody, and comes back to it."""
    card = await asked(house, kind)
    if kind is Work.NEW_CARD:
        point = point.replace("refix.after_pending", "new_card.after_pending")
    met = await two_sessions(
        lambda: OPERATORS[verb](house, card), house.run, at=f"booking.{point}", patience=15
    )
    assert met.held
    assert met.overtook, "a run waits for no operator"
    assert not isinstance(met.first, BaseException), met.first
    await house.run()
    await house.settle()
    await house.require_sound()
    if verb == "confirm":
        await require_done(house, kind, card)
    else:
        assert await requests(house) == ["OBSOLETE"]
        assert (await house.recalls(), await house.exceptions()) == ([], [])
