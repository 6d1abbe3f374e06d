"""What no way to change a visit walks round: R-030 and R-078 by hand, R-065 and R-068, R-031, BK-29."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from booking_house import House, claim
from refix_world import OPERATOR, at, states

from booking.domain.appointment import Appointment, Card, State
from booking.domain.refix_modes import CardRule, Mode, Work
from booking.usecases.cancel_appointment import CancelAppointment, cancel_appointment
from booking.usecases.reassign_appointment import ReassignAppointment, reassign_appointment
from booking.usecases.refix.policy import upsert_mode
from booking.usecases.refix.refix_appointment import get_refix_form
from kit.errors import NotAllowed, Reason, RuleViolated
from kit.rpc.context import Grant

pytestmark = pytest.mark.asyncio(loop_scope="session")

SUPERVISOR = Grant("AGENT_SUPERVISOR", "tenant", "")
MODE_1 = {"CC0036": "NO", "CC0036B": "0"}
MODE_2 = {"CC0036": "SI", "CC0037": "SI", "CC0036D": "refixed"}


async def reassign(house: House, card: Card, start: datetime | None = None) -> Card:
    ident = card.appointment.appointment_id
    command = ReassignAppointment(ident, house.agents[1], start, 0, claim())
    return await reassign_appointment(house.desk, command)


def postpone(house: House, card: Card) -> Awaitable[Any]:
    return house.postpone(card, at(90))


def give_away_later(house: House, card: Card) -> Awaitable[Any]:
    return reassign(house, card, at(90))


def give_away(house: House, card: Card) -> Awaitable[Any]:
    return reassign(house, card)


def cancel(house: House, card: Card) -> Awaitable[Any]:
    return cancel_appointment(house.desk, CancelAppointment(card.appointment.appointment_id, 0, ""))


Verb = Callable[[House, Card], Awaitable[Any]]
FLEXIBLE_OFF = {"CC0036": "SI", "CC0037": "NO", "CC0037A": "NO"}
SIX = {"mode 1": MODE_1, "preset": {**MODE_1, "CC0036B": "refixed"}, "mode 2": MODE_2, "flag": FLEXIBLE_OFF}


@pytest.mark.parametrize("verb", [postpone, give_away_later])
@pytest.mark.parametrize("values", list(SIX.values()), ids=list(SIX))
async def test_no_new_start_walks_round_the_refix(house: House, values: dict[str, str], verb: Verb) -> None:
    """By a re-fix the card is new, or its state is preset or has to be chosen: so is it on every way."""
    await states(house)
    await house.parameters(**values)
    card = await house.booked(at(48))
    before = await house.set_outcome(card)
    house.enter(OPERATOR)
    with pytest.raises(RuleViolated, match="RefixAppointment") as refused:
        await verb(house, card)
    assert (refused.value.reason, refused.value.violations[0].field) == (Reason.PRESET, "start")
    assert await house.stored(before.appointment_id) == before
    assert [recall.open for recall in await house.recalls()] == [True]
    assert (await house.refix(card, at(90), choices={"state_id": "refixed"})).appointment.version
    await house.settle()
    await house.require_sound()


@pytest.mark.parametrize("verb", [postpone, give_away_later])
async def test_where_the_mode_decides_nothing_a_visit_is_postponed(house: House, verb: Verb) -> None:
    await states(house)
    await house.procedure(Work.MOVE, "ko-date")
    for outcome in ("", "refixed", "ko-date"):  # no outcome, one without a mode, and mode 3
        card = await house.booked(at(48))
        if outcome:
            refix_at = at(80) if outcome == "ko-date" else None
            await house.set_outcome(card, outcome, refix_at=refix_at)
        await verb(house, card)
        assert (await house.stored(card.appointment.appointment_id)).window.start == at(90)
        await cancel(house, card)
        await house.settle()
    await house.run()
    assert await house.exceptions() == []


@pytest.mark.parametrize("verb", [postpone, give_away, give_away_later, cancel])
async def test_a_private_recall_is_nobody_elses_to_settle(house: House, verb: Verb) -> None:
    await states(house)
    await house.procedure(Work.MOVE, "ko-date")
    card = await house.booked(at(48))
    await house.set_outcome(card, "ko-private")
    (recall,) = await house.recalls()
    before = await house.stored(card.appointment.appointment_id)
    house.enter(OPERATOR, subject="usr_second")
    with pytest.raises(NotAllowed, match="another operator"):
        await verb(house, card)
    assert await house.stored(before.appointment_id) == before
    house.enter(OPERATOR)
    assert await house.recalls() == [recall]


@pytest.mark.parametrize("who", ["owner", "supervisor", "released"])
async def test_whose_the_private_recall_is_may_cancel(house: House, who: str) -> None:
    await states(house)
    await house.parameters(private_release_minutes="45")
    card = await house.booked(at(48))
    await house.set_outcome(card, "ko-private")
    if who == "owner":
        house.enter(OPERATOR)
    elif who == "supervisor":
        house.enter(SUPERVISOR, subject="usr_second")
    else:
        house.enter(OPERATOR, subject="usr_second")
        await house.advance(timedelta(minutes=45))
    await cancel(house, card)
    assert (await house.stored(card.appointment.appointment_id)).state is State.CANCELLED


def sets() -> list[dict[str, str]]:
    """Each value of each of the seven parameters, with each of the ways to choose a card."""
    yes_no, state = ("NO", "SI"), ("0", "refixed")
    ways = [("NO", "NO", "NO"), ("SI", "NO", "NO"), ("SI", "SI", "NO"), ("SI", "NO", "SI")]
    return [
        {
            **dict(zip(("CC0036", "CC0037", "CC0037A"), way, strict=True)),
            "CC0036A": yes_no[turn],
            "CC0036B": state[(number + turn) % 2],
            "CC0036C": yes_no[(number // 2 + turn) % 2],
            "CC0036D": state[(number + number // 2 + turn) % 2],
        }
        for number, way in enumerate(ways)
        for turn in range(2)
    ]


@pytest.mark.parametrize("kind", [Work.MOVE, Work.NEW_CARD])
async def test_modes_3_and_4_are_the_same_for_all_seven_parameters(house: House, kind: Work) -> None:
    await states(house)
    await house.procedure(kind, "ko-date")
    cards = []
    for number, values in enumerate(sets()):
        card = await house.booked(at(48 + number))
        await house.parameters(card.appointment.campaign_id, **values)
        cards.append(await house.set_outcome(card, "ko-date", refix_at=at(148 + number)))
    forms = {str(await get_refix_form(house.desk, card.appointment_id)) for card in cards}
    assert len(forms) == 1, "nor has any parameter an effect on who re-fixes by hand"
    await house.run()
    results = set()
    for number, card in enumerate(cards):
        old = await house.stored(card.appointment_id)
        new = await house.stored(old.superseded_by) if old.superseded_by else old
        assert new.window.start == at(148 + number)
        traits = (old.state, old.outcome_state_id, old.linked, new.state, new.outcome_state_id, new.linked)
        results.add((*traits, new.operator_id, new is old))
    same = (State.TO_CONFIRM, "refixed", False, State.TO_CONFIRM, "refixed", False, "usr_operator", True)
    made = (State.SUPERSEDED, "refixed", True, State.TO_CONFIRM, "", True, "usr_operator", False)
    assert results == {same if kind is Work.MOVE else made}


@pytest.mark.parametrize("delay", [None, timedelta(hours=5)])
async def test_a_mode_without_a_procedure_calls_on_the_agents_date(
    house: House, delay: timedelta | None
) -> None:
    """A sixth mode of recall, date and no procedure (R-031): its recall is opened, once."""
    await states(house)
    asks = {"recall": True, "refix": True, "state_ids": ("ko-call",), "recall_delay": delay}
    await upsert_mode(house.desk, Mode("by-phone", "By phone", Work.NONE, CardRule.SAME, **asks))
    card = await house.booked(at(48))
    after = await house.set_outcome(card, "ko-call", refix_at=at(30))
    (recall,) = await house.recalls()
    assert recall.due_at == (at(30) if delay is None else after.updated_at + delay)
    await house.procedure(Work.RECALL, "ko-call")
    await house.run()
    assert await house.recalls() == [recall]


async def failed(house: House, kind: Work, refix_at: datetime) -> Appointment:
    """An appointment whose agent's date is somebody else's."""
    await house.procedure(kind, "ko-date")
    card = await house.booked(at(48))
    await house.booked(refix_at)
    return await house.set_outcome(card, "ko-date", refix_at=refix_at)


@pytest.mark.parametrize("kind", [Work.MOVE, Work.NEW_CARD])
async def test_the_nearest_three_are_found_however_far_and_all_go_through(house: House, kind: Work) -> None:
    await states(house)
    card = await failed(house, kind, at(80))
    dear = [(house.agents[0], at(hours)) for hours in (80 + 24 * 40, 80 + 24 * 20, 300)]
    house.ledger.slots = [*dear, ("agt_of_nobody", at(81))]
    await house.run()
    (found,) = await house.exceptions()
    assert [each.start for each in found.alternatives] == [at(300), at(80 + 24 * 20), at(80 + 24 * 40)]
    assert card.version == (await house.stored(card.appointment_id)).version
    for each in found.alternatives:
        choices = {"state_id": "refixed"}
        card = (await house.refix(card, each.start, agent=each.agent_id, choices=choices)).appointment
        assert (card.window.start, card.agent_id) == (each.start, each.agent_id)


async def test_what_is_nearest_is_found_behind_all_that_is_cheaper(house: House) -> None:
    """The ledger names the cheapest first; the nearest are on its second page. Colleagues fill up."""
    await states(house)
    await failed(house, Work.MOVE, at(80))
    near = [(house.agents[0], at(81)), (house.agents[0], at(79)), (house.agents[2], at(80))]
    far = [(house.agents[1], at(82) + timedelta(seconds=number)) for number in range(250)]
    house.ledger.slots = [*far, *near]
    await house.run()
    (found,) = await house.exceptions()
    assert [(each.agent_id, each.start) for each in found.alternatives] == [
        (house.agents[2], at(80)),
        (house.agents[0], at(79)),
        (house.agents[0], at(81)),
    ]


@pytest.mark.parametrize("respects", [True, False])
async def test_the_lead_time_of_postponements_counts_for_procedures(house: House, respects: bool) -> None:
    await states(house)
    await house.procedure(Work.MOVE, "ko-date")
    card = await house.booked(at(48))
    await house.parameters(postpone_respects_lead_time=str(respects).lower())
    await house.set_outcome(card, "ko-date", refix_at=at(20))
    house.ledger.slots = [(house.agents[0], at(hours)) for hours in (21, 36.5, 37.8, 38.5, 60, 70)]
    await house.run()
    moved = await house.stored(card.appointment.appointment_id)
    if not respects:
        assert (moved.window.start, await house.exceptions()) == (at(20), [])
        return
    (found,) = await house.exceptions()
    assert (moved.window.start, found.reason) == (at(48), "LEAD_TIME")
    assert [each.start for each in found.alternatives] == [at(37.8), at(38.5), at(60)]
    for each in found.alternatives:
        made = await house.refix(card, each.start, choices={"state_id": "refixed"})
        assert made.appointment.window.start == each.start


async def test_alternatives_leave_people_an_hour_to_act(house: House) -> None:
    await states(house)
    await house.procedure(Work.MOVE, "ko-date", active=False)
    card = await house.booked(at(48))
    await house.set_outcome(card, "ko-date", refix_at=at(1))
    await house.advance(timedelta(hours=2))
    house.ledger.slots = [(house.agents[0], at(hours)) for hours in (2.9, 3.5, 5, 6)]
    await house.procedure(Work.MOVE, "ko-date")
    await house.run()
    (found,) = await house.exceptions()
    assert [each.start for each in found.alternatives] == [at(3.5), at(5), at(6)]
    await house.advance(timedelta(minutes=59))
    await house.refix(card, found.alternatives[0].start, choices={"state_id": "refixed"})
