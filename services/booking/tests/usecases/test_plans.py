"""Flexible appointments: booked with a day or a week, moved by plans within it, all or none (GEO-27)."""

from collections.abc import Awaitable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from booking_house import VISIT, House, claim
from house_clock import NINE, soon
from rounds_double import NOTHING, RoundsDouble
from two_visits import AT_ONCE, WAITS, meet

from booking.domain.appointment import Appointment, Card, State
from booking.domain.outcomes import Recall, Result
from booking.domain.promise import PromiseKind
from booking.usecases.apply_plan import PlannedStart, apply_plan
from booking.usecases.book_appointment import BookAppointment, ChosenTime, HeldSlot, book_appointment
from booking.usecases.confirm_appointment import ConfirmAppointment, confirm_appointment
from booking.usecases.hold_slot import HoldSlot, hold_slot
from booking.usecases.propose_plan import ProposePlan, propose_plan
from booking.usecases.repair_ports import FoundMove
from booking.usecases.set_parameter import set_parameter
from booking.usecases.suggest_slots import SuggestSlots, suggest_slots
from booking.usecases.verify_ownership import verify_ownership
from kit.db.claims import Claim
from kit.errors import Conflict, GiroError, NotFound, Reason, RuleViolated
from kit.rpc.context import Grant
from kit.testing.dying import Died, die_at
from kit.values.ids import new_id
from kit.values.window import Window

pytestmark = pytest.mark.asyncio(loop_scope="session")

ROME = ZoneInfo("Europe/Rome")
HOUR = timedelta(hours=1)
STEPS = {"before_decide": False, "after_pending": False, "after_move": True, "before_commit": True}


def _nine(days: int = 3) -> datetime:
    """Nine in the morning in Rome, some days ahead."""
    return (NINE + timedelta(days=days)).astimezone(ROME)


class Days:
    """Two flexible appointments and a fixed one of one agent, on one day, with a plan for the flexible."""

    def __init__(self, house: House, booked: list[Appointment]) -> None:
        self.house, self.booked, self.rounds = house, booked, RoundsDouble(house.ledger)

    @classmethod
    async def of(cls, house: House) -> "Days":
        campaign = await house.campaign()
        kinds = (PromiseKind.DAY, PromiseKind.WEEK, None)
        booked = []
        for at, kind in enumerate(kinds):
            start = (_nine() + at * 2 * HOUR).astimezone(UTC)
            slot = ChosenTime(campaign.campaign_id, house.agents[0], Window(start, start + VISIT))
            contact = await house.contact(campaign)
            command = BookAppointment(slot, contact, "", claim(), promise=kind)
            made = await book_appointment(house.desk, command)
            booked.append(made.appointment)
        return cls(house, booked)

    def swapped(self) -> list[PlannedStart]:
        """The flexible two change places."""
        one, two, _ = self.booked
        return [self.at(one, two.window.start), self.at(two, one.window.start)]

    def at(self, one: Appointment, start: datetime) -> PlannedStart:
        return PlannedStart(one.appointment_id, start, one.version)

    async def apply(self, moves: list[PlannedStart], key: Claim | None = None) -> list[Appointment]:
        cards = await apply_plan(self.house.desk, self.rounds, moves, key or claim())
        return [card.appointment for card in cards]

    async def stored(self) -> list[Appointment]:
        return [await self.house.stored(one.appointment_id) for one in self.booked]

    async def propose(self, **changes: Any) -> Any:
        asked: dict[str, Any] = {
            "agent_ids": (self.house.agents[0],),
            "first_day": _nine().date().isoformat(),
            "days": 1,
            "keep_order": False,
            "frozen_until": None,
            "search_time": timedelta(seconds=1),
            "seed": 7,
        }
        return await propose_plan(self.house.desk, self.rounds, ProposePlan(**{**asked, **changes}))


async def refused(work: Awaitable[Any]) -> GiroError:
    with pytest.raises(GiroError) as found:
        await work
    return found.value


async def test_what_was_promised_is_kept_with_the_appointment(house: House) -> None:
    day, week, fixed = (await Days.of(house)).booked
    assert day.promise is not None
    assert week.promise is not None
    assert (fixed.promise, day.arrival) == (None, None)
    local = day.promise.window.start.astimezone(ROME)
    assert (local.date(), local.hour) == (_nine().date(), 0)
    assert week.promise.window.start.astimezone(ROME).weekday() == 0
    assert await house.stored(day.appointment_id) == day
    await house.require_sound()


async def test_a_plan_moves_all_of_it_and_what_was_confirmed_stays_confirmed(house: House) -> None:
    days = await Days.of(house)
    one, two, fixed = days.booked
    await confirm_appointment(house.desk, ConfirmAppointment(one.appointment_id, 0))
    moves = days.swapped()
    moves[0] = replace(moves[0], version=2)
    key = claim()
    made = await days.apply(moves, key)
    assert [each.window.start for each in made] == [two.window.start, one.window.start]
    assert [each.state for each in made] == [State.CONFIRMED, State.TO_CONFIRM]
    assert [each.promise for each in made] == [one.promise, two.promise]
    assert await days.apply(moves, key) == made
    assert (await days.stored())[2] == fixed
    await house.settle()
    await house.require_sound()
    names = [event for event, _ in await house.events()]
    assert names[-2:] == ["appointment_postponed"] * 2


async def test_nothing_leaves_its_promise_whoever_forges_the_plan(house: House) -> None:
    days = await Days.of(house)
    one, two, fixed = days.booked
    assert one.promise is not None
    assert two.promise is not None
    forged = [
        days.at(one, one.promise.window.end),
        days.at(one, one.promise.window.end - VISIT + timedelta(seconds=1)),
        days.at(two, two.promise.window.end),
        days.at(fixed, fixed.window.start + HOUR),
    ]
    for move in forged:
        found = await refused(days.apply([move]))
        assert (found.reason, type(found)) == (Reason.OUTSIDE_WINDOWS, RuleViolated)
        assert [each.field for each in found.violations] == ["moves[0].start"]
    good = days.swapped()
    found = await refused(days.apply([*good, forged[3]]))  # one that may not keeps all of it back
    assert [each.field for each in found.violations] == ["moves[2].start"]
    assert await days.stored() == days.booked
    last = days.at(one, one.promise.window.end - VISIT)
    assert (await days.apply([last]))[0].window.end == one.promise.window.end


async def test_a_plan_that_is_stale_is_refused_by_name_and_changes_nothing(house: House) -> None:
    days = await Days.of(house)
    moves = days.swapped()
    await confirm_appointment(house.desk, ConfirmAppointment(days.booked[1].appointment_id, 0))
    before = await days.stored()
    stale = await refused(days.apply(moves))
    assert (stale.reason, type(stale)) == (Reason.STALE_VERSION, Conflict)
    taken = await refused(days.apply([days.at(days.booked[0], days.booked[2].window.start)]))
    assert taken.reason is Reason.SLOT_TAKEN  # the fixed one's time
    nobodys = await refused(days.apply([PlannedStart(new_id("apt"), soon(), 1)]))
    assert isinstance(nobodys, NotFound)
    assert await days.stored() == before
    await house.require_sound()


@pytest.mark.parametrize("step", STEPS)
async def test_a_plan_that_died_is_made_whole_or_not_at_all(house: House, step: str) -> None:
    days = await Days.of(house)
    die_at(f"booking.repair.{step}")
    with pytest.raises(Died):
        await days.apply(days.swapped())
    owned = await verify_ownership(house.desk)
    assert (owned.without_stop, owned.without_appointment) == ([], [])
    await house.settle()
    starts = [each.window.start for each in (await days.stored())[:2]]
    before = [each.window.start for each in days.booked[:2]]
    assert starts == (before[::-1] if STEPS[step] else before)
    await house.require_sound()


@pytest.mark.parametrize(
    ("at", "overtakes", "loser"),
    [
        ("repair.after_pending", AT_ONCE, "CHANGE_IN_PROGRESS"),
        ("repair.before_commit", WAITS, "STALE_VERSION"),
    ],
)
async def test_two_plans_of_the_same_visits_meet(house: House, at: str, overtakes: bool, loser: str) -> None:
    """One is made, the other told by name, in either order of the database's locks."""
    days = await Days.of(house)

    async def plan() -> Any:
        return await days.apply(days.swapped())

    assert await meet(plan, plan, at, overtakes) == ("", loser)
    before = [each.window.start for each in days.booked[:2]]
    assert [each.window.start for each in (await days.stored())[:2]] == before[::-1]
    await house.settle()
    await house.require_sound()


async def test_somebody_who_postpones_promises_the_day_of_the_new_start(house: House) -> None:
    days = await Days.of(house)
    one = days.booked[0]
    moved = (await house.postpone(Card(one), one.window.start + 48 * HOUR)).appointment
    assert moved.promise is not None
    assert moved.promise.window.contains(moved.window)
    assert moved.promise.kind is PromiseKind.DAY
    assert moved.promise != one.promise


async def test_geo_is_asked_for_what_is_flexible_within_what_is_left_of_it(house: House) -> None:
    days = await Days.of(house)
    one, two, fixed = days.booked
    assert one.promise is not None
    earlier = Window(one.window.start - HOUR, one.window.end - HOUR)
    move = FoundMove(one.appointment_id, house.agents[0], earlier, call_needed=False)
    days.rounds.proposal = replace(NOTHING, moves=[move])
    found = await days.propose()
    (query,) = days.rounds.plans
    assert set(query.flexible) == {one.appointment_id, two.appointment_id}
    assert list(query.flexible[one.appointment_id]) == [one.promise.window]
    assert (query.seed, query.span) == (7, one.promise.window)
    assert [(a.appointment_id, m.window.start) for a, _, m in found.visits] == [
        (one.appointment_id, one.window.start - HOUR)
    ]
    assert fixed.appointment_id not in query.flexible
    assert await days.stored() == days.booked  # nothing is written


async def test_what_is_on_no_shift_of_these_days_stays(house: House) -> None:
    days = await Days.of(house)
    days.rounds.gone = {days.booked[0].appointment_id}
    found = await days.propose()
    assert found.flexible == 2
    assert [len(query.flexible) for query in days.rounds.plans] == [2, 1]


async def test_a_plan_of_somebody_limited_moves_its_own_campaigns_alone(house: House) -> None:
    days = await Days.of(house)
    strange = await house.campaign()
    house.enter(Grant("PROJECT_MANAGER", "campaign", strange.campaign_id))
    assert (await days.propose()).flexible == 0
    found = await refused(days.apply(days.swapped()))
    assert found.reason is Reason.OUT_OF_SCOPE
    with pytest.raises(NotFound) as nobody:
        await days.propose(agent_ids=(new_id("agt"),))
    assert [each.field for each in nobody.value.violations] == ["agent_ids"]


@pytest.mark.parametrize("new_card", [False, True])
async def test_a_re_fix_promises_a_day_or_an_arrival_and_never_both(house: House, new_card: bool) -> None:
    """A flexible card keeps to days also where the campaign promises others their arrival (BK-39), and a new
    card that takes its place is like those others."""
    days = await Days.of(house)
    await house.outcome_state("ko")
    await house.outcome_state("refixed", result=Result.OPEN, recall=Recall.NONE)
    if new_card:
        await house.parameters(CC0036="SI", CC0037="SI", CC0037A="NO", CC0036C="SI", CC036DB="refixed")
    one = days.booked[0]
    await set_parameter(house.desk, "arrival_window", one.campaign_id, "3600s")
    await house.set_outcome(one)
    later = one.window.start + timedelta(days=1)
    choices = {} if new_card else {"choices": {"state_id": "refixed"}}
    again = (await house.refix(one, later, **choices)).appointment
    assert (again.appointment_id == one.appointment_id) is not new_card
    assert again.window.start == later
    if new_card:
        assert (again.promise, again.arrival) == (None, Window(later, later + HOUR))
    else:
        assert again.promise is not None
        assert again.promise.keeps(again.window)
        assert again.arrival is None
    await house.settle()
    await house.require_sound()


async def test_a_hold_that_keeps_an_arrival_window_is_booked_with_no_day(house: House) -> None:
    campaign = await house.campaign()
    await set_parameter(house.desk, "arrival_window", campaign.campaign_id, "3600s")
    contact = await house.contact(campaign)
    house.ledger.slots = [(house.agents[0], soon(60))]
    found = await suggest_slots(
        house.desk,
        SuggestSlots(campaign.campaign_id, contact, None, VISIT, "", "", (), (), 1, explain=False),
    )
    held = await hold_slot(house.desk, HoldSlot(found.tokens[0], None, claim()))
    slot = HeldSlot(held.hold_id)
    command = BookAppointment(slot, contact, "", claim(), promise=PromiseKind.DAY)
    error = await refused(book_appointment(house.desk, command))
    assert (error.reason, error.violations[0].field) == (Reason.INVALID_FIELD, "promise")
    assert await house.all_stored() == {}
