"""Repairs of a day: all of it or nothing, once, whatever dies; and who may do what."""

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from booking_house import VISIT, House, claim
from house_clock import soon
from ledger_double import Lost
from rounds_double import RoundsDouble

from booking.domain.appointment import Card, State
from booking.usecases.apply_repair import ApplyRepair, WantedCancellation, WantedMove, apply_repair
from booking.usecases.confirm_appointment import ConfirmAppointment, confirm_appointment
from booking.usecases.postpone_appointment import PostponeAppointment, postpone_appointment
from booking.usecases.propose_repair import propose_repair
from booking.usecases.repair_ports import (
    FoundMove,
    FoundRefusal,
    FoundRepair,
    FoundUnplaced,
    RepairQuery,
)
from booking.usecases.settle_changes import settle_changes
from booking.usecases.unavailability import SetUnavailability, set_unavailability
from booking.usecases.verify_ownership import verify_ownership
from kit import failpoints
from kit.db.claims import Claim
from kit.errors import Conflict, GiroError, InvalidInput, NotFound, Reason, RuleViolated
from kit.rpc.context import Grant
from kit.testing.dying import Died, die_at
from kit.values.ids import new_id
from kit.values.window import Window

pytestmark = pytest.mark.asyncio(loop_scope="session")

ROME = ZoneInfo("Europe/Rome")
STEPS = ("before_decide", "after_pending", "after_move", "before_commit", "after_commit")
DONE = {"after_move", "before_commit", "after_commit"}


class Day:
    """Three appointments of one agent, two hours apart, in a campaign of all agents."""

    def __init__(self, house: House, cards: list[Card]) -> None:
        self.house, self.cards, self.rounds = house, cards, RoundsDouble(house.ledger)
        self.ids = [card.appointment.appointment_id for card in cards]

    @classmethod
    async def of(cls, house: House) -> "Day":
        campaign = await house.campaign()
        cards = [
            await house.book(campaign, await house.contact(campaign), soon(48 + 2 * n)) for n in range(3)
        ]
        return cls(house, cards)

    def repair(self, key: Claim | None = None, **changes: Any) -> ApplyRepair:
        """The first goes to another agent, the second takes the third's time, the third is cancelled."""
        first, _, third = self.cards
        moves = (
            WantedMove(self.ids[0], self.house.agents[1], first.appointment.window.start, 0),
            WantedMove(self.ids[1], self.house.agents[0], third.appointment.window.start, 0),
        )
        wanted: dict[str, Any] = {"moves": moves, "cancellations": (WantedCancellation(self.ids[2], 0),)}
        return ApplyRepair(**{**wanted, **changes}, note="broken down", claim=key or claim())

    async def apply(self, command: ApplyRepair | None = None) -> list[Card]:
        return await apply_repair(self.house.desk, self.rounds, command or self.repair())

    async def require_whole(self, applied: bool) -> None:
        """Asserts that all of the repair is there, or nothing of it."""
        await self.house.require_sound()
        first, second, third = [await self.house.stored(one) for one in self.ids]
        state = first.agent_id == self.house.agents[1], second.version == 2, third.state is State.CANCELLED
        assert state == (applied,) * 3
        names = [event for event, _ in await self.house.events() if event != "appointment_booked"]
        told = ["appointment_cancelled", "appointment_postponed", "appointment_reassigned"]
        assert sorted(names) == (told if applied else [])


async def refused(work: Awaitable[Any]) -> GiroError:
    with pytest.raises(GiroError) as found:
        await work
    return found.value


async def test_a_repair_changes_all_of_it_and_tells_each(house: House) -> None:
    day = await Day.of(house)
    await confirm_appointment(house.desk, ConfirmAppointment(day.ids[0], 0))
    cards = await day.apply()
    assert [card.appointment.appointment_id for card in cards] == day.ids
    first, second, third = (card.appointment for card in cards)
    assert (first.agent_id, first.state, first.move_id) == (house.agents[1], State.CONFIRMED, None)
    assert second.window.start == day.cards[2].appointment.window.start
    assert second.state is State.TO_CONFIRM
    assert (third.state, third.cancel_note) == (State.CANCELLED, "broken down")
    assert cards[0].leg_before is not None
    await house.settle()
    await house.require_sound()
    names = [event for event, _ in await house.events()]
    assert names[-3:] == ["appointment_reassigned", "appointment_postponed", "appointment_cancelled"]


async def test_a_repeated_repair_is_told_the_first_answer(house: House) -> None:
    day = await Day.of(house)
    command = day.repair()
    first = await day.apply(command)
    assert await day.apply(command) == first
    await day.require_whole(applied=True)
    other = await refused(day.apply(day.repair(Claim(command.claim.key, b"other"))))
    assert other.reason is Reason.REQUEST_ID_REUSED


async def test_what_geo_refuses_changes_nothing_and_stays_refused(house: House) -> None:
    day = await Day.of(house)
    command = day.repair(cancellations=())
    for _ in range(2):
        assert (await refused(day.apply(command))).reason is Reason.SLOT_TAKEN
    await day.require_whole(applied=False)
    await day.apply()  # nothing keeps the next one from it
    await day.require_whole(applied=True)


async def test_cancellations_alone_ask_nothing_of_geo(house: House) -> None:
    day = await Day.of(house)
    house.ledger.down = True
    gone = tuple(WantedCancellation(one, 1) for one in day.ids[:2])
    command = day.repair(moves=(), cancellations=gone)
    cards = await day.apply(command)
    assert await day.apply(command) == cards
    assert [card.appointment.state for card in cards] == [State.CANCELLED] * 2
    house.ledger.down = False
    await house.settle()
    await house.require_sound()


@pytest.mark.parametrize("step", STEPS)
async def test_a_repair_that_died_is_settled_whole_or_not_at_all(house: House, step: str) -> None:
    day = await Day.of(house)
    die_at(f"booking.repair.{step}")
    with pytest.raises(Died):
        await day.apply()
    owned = await verify_ownership(house.desk)
    assert (owned.without_stop, owned.without_appointment) == ([], [])
    await house.settle()
    await day.require_whole(applied=step in DONE)


@pytest.mark.parametrize("step", STEPS)
async def test_a_repair_that_died_is_finished_by_its_repetition(house: House, step: str) -> None:
    day = await Day.of(house)
    command = day.repair()
    die_at(f"booking.repair.{step}")
    with pytest.raises(Died):
        await day.apply(command)
    cards = await day.apply(command)
    assert [card.appointment.appointment_id for card in cards] == day.ids
    await house.settle()
    await day.require_whole(applied=True)


@pytest.mark.parametrize("lost", list(Lost))
async def test_a_repair_without_an_answer_is_settled_and_its_late_copy_refused(
    house: House, lost: Lost
) -> None:
    day = await Day.of(house)
    house.ledger.lose("move_all", lost)
    assert (await refused(day.apply())).reason is Reason.SERVICE_UNAVAILABLE
    await house.settle()
    await house.ledger.deliver_late()
    await house.settle()
    await day.require_whole(applied=lost is Lost.ANSWER)


async def test_a_reconciler_that_died_is_followed_by_the_next(house: House) -> None:
    day = await Day.of(house)
    die_at("booking.repair.after_move")
    with pytest.raises(Died):
        await day.apply()
    die_at("booking.settle.after_settle_repair")
    with pytest.raises(Died):
        await settle_changes(house.desk, timedelta(0))
    await house.settle()
    await day.require_whole(applied=True)


async def test_nothing_else_changes_an_appointment_while_its_repair_is_pending(house: House) -> None:
    day = await Day.of(house)
    die_at("booking.repair.after_pending")
    with pytest.raises(Died):
        await day.apply()
    for one in day.ids:
        postponed = postpone_appointment(house.desk, PostponeAppointment(one, soon(70), 0, claim()))
        assert (await refused(postponed)).reason is Reason.CHANGE_IN_PROGRESS
    assert (await refused(day.apply())).reason is Reason.CHANGE_IN_PROGRESS
    await house.settle(timedelta(seconds=15))  # it is not old enough to be given up
    assert (await house.stored(day.ids[0])).move_id is not None
    await house.settle()
    await day.require_whole(applied=False)


async def test_the_reconciler_wins_over_a_frozen_request(house: House) -> None:
    """The request is held before it asks geo; the reconciler gives the repair up, and geo refuses it then."""
    day = await Day.of(house)
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        reached.set()
        await go_on.wait()

    failpoints.arm("booking.repair.after_pending", hold)
    applying = asyncio.ensure_future(day.apply())
    await reached.wait()
    await asyncio.gather(*(settle_changes(house.desk, timedelta(0)) for _ in range(2)))
    failpoints.disarm("booking.repair.after_pending")
    go_on.set()
    assert (await refused(applying)).reason is Reason.SETTLED
    await house.settle()
    await day.require_whole(applied=False)


async def test_the_request_is_told_what_the_reconciler_followed(house: House) -> None:
    day = await Day.of(house)
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        reached.set()
        await go_on.wait()

    failpoints.arm("booking.repair.after_move", hold)
    applying = asyncio.ensure_future(day.apply())
    await reached.wait()
    await settle_changes(house.desk, timedelta(0))
    failpoints.disarm("booking.repair.after_move")
    go_on.set()
    assert [card.appointment.version for card in await applying] == [2, 2, 2]
    await day.require_whole(applied=True)


async def test_two_repairs_with_the_same_appointments_leave_one(house: House) -> None:
    """Locked in the order of their ids, whatever the order they are named in: no deadlock."""
    day = await Day.of(house)
    one = day.repair(moves=day.repair().moves)
    other = day.repair(moves=day.repair().moves[::-1])
    answers = await asyncio.gather(day.apply(one), day.apply(other), return_exceptions=True)
    kept = [answer for answer in answers if isinstance(answer, list)]
    assert len(kept) == 1
    (lost,) = [answer for answer in answers if not isinstance(answer, list)]
    assert isinstance(lost, Conflict | RuleViolated)
    await house.settle()
    await day.require_whole(applied=True)


async def test_what_is_wrong_is_named_and_changes_nothing(house: House) -> None:
    day = await Day.of(house)
    good, later = day.repair().moves
    present = day.cards[0].appointment.window.start
    stranger = await house.campaign(agents=house.agents[:1])
    elsewhere = await house.book(stranger, await house.contact(stranger), soon(60))
    abroad = WantedMove(elsewhere.appointment.appointment_id, house.agents[1], soon(60), 0)
    past = WantedMove(day.ids[0], house.agents[0], soon(-1), 0)
    wrong: list[tuple[dict[str, Any], type[GiroError], Reason, str]] = [
        ({"moves": (), "cancellations": ()}, InvalidInput, Reason.INVALID_FIELD, "moves"),
        ({"moves": (good, good)}, InvalidInput, Reason.INVALID_FIELD, "moves[1].appointment_id"),
        (
            {"moves": (good,), "cancellations": (WantedCancellation(day.ids[0], 0),)},
            InvalidInput,
            Reason.INVALID_FIELD,
            "cancellations[0].appointment_id",
        ),
        (
            {"moves": (WantedMove(day.ids[0], house.agents[0], present, 0),)},
            InvalidInput,
            Reason.INVALID_FIELD,
            "moves[0].start",
        ),
        (
            {"moves": (WantedMove(new_id("apt"), house.agents[0], present, 0),)},
            NotFound,
            Reason.NOT_FOUND,
            "appointment_id",
        ),
        (
            {"moves": (later, abroad)},
            RuleViolated,
            Reason.AGENT_NOT_IN_CAMPAIGN,
            "moves[1].agent_id",
        ),
        (
            {"moves": (past,)},
            RuleViolated,
            Reason.LEAD_TIME,
            "",
        ),
        ({"cancellations": (WantedCancellation(day.ids[2], 7),)}, Conflict, Reason.STALE_VERSION, "version"),
    ]
    for changes, kind, reason, field in wrong:
        error = await refused(day.apply(day.repair(**changes)))
        assert (type(error), error.reason) == (kind, reason), changes
        assert [one.field for one in error.violations] == ([field] if field else []), changes
    await day.require_whole(applied=False)


async def test_a_supervisor_of_another_campaign_repairs_nothing(house: House) -> None:
    day = await Day.of(house)
    other = await house.campaign()
    house.enter(Grant("AGENT_SUPERVISOR", "campaign", other.campaign_id))
    assert (await refused(day.apply())).reason is Reason.OUT_OF_SCOPE
    start = day.cards[0].appointment.window.start
    day.rounds.proposal = FoundRepair(
        (FoundMove(day.ids[0], house.agents[1], Window(start, start + VISIT), False),),
        (),
        timedelta(0),
        timedelta(0),
        proved_best=True,
        travel_version="estimate-1",
    )
    query = RepairQuery(house.agents[0], timedelta(minutes=40), (), timedelta(0), {}, timedelta(seconds=1), 0)
    assert (await refused(propose_repair(house.desk, day.rounds, query))).reason is Reason.OUT_OF_SCOPE


async def test_a_proposal_names_whom_to_call_and_who_may_take_over(house: House) -> None:
    day = await Day.of(house)
    alone = await house.campaign(agents=house.agents[:1])
    other = await house.book(alone, await house.contact(alone), soon(56))
    window = Window(soon(49), soon(49) + VISIT)
    day.rounds.proposal = FoundRepair(
        moves=(FoundMove(day.ids[0], house.agents[1], window, call_needed=True),),
        unplaced=(FoundUnplaced(day.ids[1], ()), FoundUnplaced(new_id("hld"), ())),
        travel_before=timedelta(minutes=50),
        travel_after=timedelta(minutes=30),
        proved_best=True,
        travel_version="estimate-1",
    )
    happened = Window(soon(47), soon(60))
    query = RepairQuery(
        house.agents[0], happened, house.agents[1:3], timedelta(0), {}, timedelta(seconds=1), 0
    )
    found = await propose_repair(house.desk, day.rounds, query)
    (moved,) = found.repaired
    assert (moved.appointment.appointment_id, moved.contact.display_name) == (day.ids[0], "Ada Neri")
    assert moved.move.call_needed
    assert [one.appointment.appointment_id for one in found.unplaced] == [day.ids[1]]
    assert found.holds_in_the_way == 1
    late = RepairQuery(house.agents[0], timedelta(hours=1), (), timedelta(0), {}, timedelta(seconds=1), 0)
    assert (await propose_repair(house.desk, day.rounds, replace(late, helpers=house.agents[1:3]))).repaired
    assert day.rounds.queries.pop().eligible == day.rounds.queries[0].eligible
    (asked,) = day.rounds.queries
    own = other.appointment.appointment_id
    assert asked.eligible == {**dict.fromkeys(day.ids, house.agents[1:3]), own: []}
    await day.require_whole(applied=False)


def proposal(*moves: FoundMove) -> FoundRepair:
    return FoundRepair(moves, (), timedelta(0), timedelta(0), proved_best=True, travel_version="estimate-1")


async def far_day(house: House) -> Day:
    """The same three appointments, so far ahead that absences may still be noted."""
    campaign = await house.campaign()
    starts = [soon(24 * 12 + 2 * n) for n in range(3)]
    cards = [await house.book(campaign, await house.contact(campaign), start) for start in starts]
    return Day(house, cards)


async def away(house: House, card: Card, agent: str = "", contact: str = "", days: int = 0) -> None:
    there = card.appointment.window.start.astimezone(ROME).date() + timedelta(days=days)
    noted = SetUnavailability(agent, contact, there.isoformat(), "", "", "ill", claim())
    await set_unavailability(house.desk, noted)


def all_of(day: Day) -> RepairQuery:
    first, last = day.cards[0].appointment.window, day.cards[-1].appointment.window
    happened, helpers = Window(first.start, last.end), day.house.agents[1:3]
    return RepairQuery(day.house.agents[0], happened, helpers, timedelta(0), {}, timedelta(seconds=1), 0)


async def test_a_helper_who_is_away_is_not_asked_for(house: House) -> None:
    day = await far_day(house)
    await away(house, day.cards[0], agent=house.agents[1])
    await propose_repair(house.desk, day.rounds, all_of(day))
    (asked,) = day.rounds.queries
    assert asked.eligible == {key: [house.agents[2]] for key in day.ids}


async def test_geo_is_asked_again_without_a_helper_who_is_away_where_it_would_go(house: House) -> None:
    day = await far_day(house)
    helper, window = house.agents[1], day.cards[0].appointment.window
    await away(house, day.cards[0], agent=helper, days=1)
    tomorrow = Window(window.start + timedelta(days=1), window.end + timedelta(days=1))
    day.rounds.proposal = proposal(FoundMove(day.ids[0], helper, tomorrow, call_needed=True))
    found = await propose_repair(house.desk, day.rounds, all_of(day))
    asked = [query.eligible[day.ids[0]] for query in day.rounds.queries]
    assert asked[:2] == [house.agents[1:3], [house.agents[2]]]
    assert found.repaired == []
    (lost,) = found.unplaced
    assert lost.refusals == (FoundRefusal(helper, "ABSENT"),)


async def test_a_person_who_is_away_is_told_instead_of_visited(house: House) -> None:
    day = await far_day(house)
    card = day.cards[1]
    await away(house, card, contact=card.appointment.contact_id, days=1)
    window = card.appointment.window
    tomorrow = Window(window.start + timedelta(days=1), window.end + timedelta(days=1))
    kept = FoundMove(day.ids[0], house.agents[2], day.cards[0].appointment.window, call_needed=False)
    day.rounds.proposal = proposal(kept, FoundMove(day.ids[1], house.agents[0], tomorrow, call_needed=True))
    found = await propose_repair(house.desk, day.rounds, all_of(day))
    assert [one.move for one in found.repaired] == [kept]
    (lost,) = found.unplaced
    assert lost.appointment.appointment_id == day.ids[1]
    assert lost.refusals == (FoundRefusal(house.agents[0], "CONTACT_UNAVAILABLE"),)
    assert len(day.rounds.queries) == 1, "no other helper would change it"
